"""Check ``--best-checkpoint-metric`` before the first update: fairseq looks it up only after the first validation."""

import logging
import re
from functools import wraps
from typing import Any, List, Optional

from fairseq.criterions import FairseqCriterion
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.dataclass.configs import CheckpointConfig
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from fairseq.tasks.translation import TranslationTask
from fairseq.tasks.translation_multi_simple_epoch import TranslationMultiSimpleEpochTask
from fairseq.trainer import Trainer
from omegaconf import DictConfig

from fairseq_flexdepth.criterions.multi_depth import MultiDepthCriterion
from fairseq_flexdepth.depth.supported_depths import DEPTH_SUFFIX
from fairseq_flexdepth.tasks.bleu_at_depths import BleuAtDepthsMixin, bleu_key

logger = logging.getLogger(__name__)

OPTION = "--best-checkpoint-metric"
OF_A_PAIR = re.compile(rf"(nll|bleu|accuracy)_{DEPTH_SUFFIX}")
OF_EVERY_TASK = ("wps", "wpb", "bsz", "num_updates")  # fairseq logs them, though they rank no checkpoints
HIGHER_IS_BETTER = ("bleu", "accuracy", "quality", "precision", "recall", "f_beta")
REPORT_ACCURACY = LabelSmoothedCrossEntropyCriterion, MultiDepthCriterion  # with the option of this name
LOWER_IS_BETTER = ("nll", "loss", "nll_loss", "ppl", "kd_loss", "layer_loss", "cost")


def check_before_training() -> None:
    """Let fairseq's ``Trainer`` check the metric when it is built, which is before the training data is loaded."""
    stock = Trainer.__init__
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def init(
        self: Trainer,
        cfg: DictConfig,
        task: FairseqTask,
        model: BaseFairseqModel,
        criterion: FairseqCriterion,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if hasattr(cfg, "checkpoint") and not cfg.dataset.disable_validation:
            check_best_metric(cfg.checkpoint, task, model, criterion)
        stock(self, cfg, task, model, criterion, *args, **kwargs)

    setattr(Trainer, "__init__", init)  # noqa: B010  (mypy takes no assignment to a method)


def check_best_metric(
    cfg: CheckpointConfig, task: FairseqTask, model: BaseFairseqModel, criterion: FairseqCriterion
) -> None:
    """Refuse a metric that validation will not log.

    If task or criterion is neither ours nor known here, only the metrics of this package are checked.

    Args:
        cfg: the options of checkpoints, which name the metric.
        task: the task of the training.
        model: the model to train.
        criterion: the criterion of the training.

    Raises:
        ValueError: validation will not log the metric.
    """
    metric, highest = str(cfg.best_checkpoint_metric), bool(cfg.maximize_best_checkpoint_metric)
    of_criterion, of_task = _of_criterion(model, criterion), _of_task(task)
    if of_criterion is not None and of_task is not None:
        if metric not in (*of_criterion, *of_task, *OF_EVERY_TASK):
            there = _listed([*of_criterion, *of_task])
            raise ValueError(f"{OPTION} {metric}: expected one of {there}{_advice(metric, task, criterion)}")
    elif metric.startswith("bleu") and isinstance(task, TranslationTask):
        if of_task is not None and metric not in of_task:
            option = "--eval-bleu" if metric == "bleu" else "--eval-bleu-depths"
            raise ValueError(f"{OPTION} {metric}: needs {option}, which logs it")
    elif OF_A_PAIR.fullmatch(metric) and metric not in (of_criterion or ()):
        there = "this criterion logs no value per depth pair" if of_criterion is None else _listed(of_criterion)
        raise ValueError(f"{OPTION} {metric}: there is no such depth pair: {there}")
    what = OF_A_PAIR.sub(r"\1", metric)
    if what in HIGHER_IS_BETTER and not highest:
        logger.warning(
            "%s %s: the lowest value counts as the best; add --maximize-best-checkpoint-metric", OPTION, metric
        )
    elif highest and what in LOWER_IS_BETTER:
        logger.warning(
            "%s %s: the highest value counts as the best; leave out --maximize-best-checkpoint-metric", OPTION, metric
        )


def _of_criterion(model: BaseFairseqModel, criterion: FairseqCriterion) -> Optional[List[str]]:
    """The metrics that *criterion* logs; ``None`` if its class is unknown."""
    if hasattr(criterion, "metric_names"):
        return list(criterion.metric_names(getattr(model, "module", model)))  # fully_sharded wraps it
    if type(criterion) is CrossEntropyCriterion:
        return ["loss", "ppl", *(["nll_loss"] if criterion.sentence_avg else [])]
    if type(criterion) is LabelSmoothedCrossEntropyCriterion:
        accuracy = ["accuracy", "n_correct", "total"] if criterion.report_accuracy else []
        return ["loss", "nll_loss", "ppl", *accuracy]
    return None


def _of_task(task: FairseqTask) -> Optional[List[str]]:
    """The metrics that *task* adds; ``None`` if its class is unknown."""
    if hasattr(task, "post_validate"):
        return None
    reduce_metrics = type(task).reduce_metrics
    if reduce_metrics in (TranslationTask.reduce_metrics, BleuAtDepthsMixin.reduce_metrics):
        return ["bleu", *map(bleu_key, getattr(task, "bleu_pairs", ()))] if task.cfg.eval_bleu else []
    plain = FairseqTask.reduce_metrics, TranslationMultiSimpleEpochTask.reduce_metrics
    return [] if reduce_metrics in plain else None


def _listed(names: List[str]) -> str:
    """The names; those that all depths have are abbreviated, to ``nll_e<n>d<m>`` or ``nll_d<m>`` for example."""
    pairs = [pair for pair in map(OF_A_PAIR.fullmatch, names) if pair and pair.group(1) != "bleu"]
    abbreviated = {pair.group() for pair in pairs}
    listed = [name for name in names if name not in abbreviated]
    for what in dict.fromkeys(pair.group(1) for pair in pairs):
        of_what = [pair for pair in pairs if pair.group(1) == what]
        found = ({pair.group(side) for pair in of_what} - {None} for side in (2, 3))
        n, m = (",".join(sorted(depths, key=int)) for depths in found)
        listed.append(f"{what}_e<n>d<m> with n of {n} and m of {m}" if n else f"{what}_d<m> with m of {m}")
    return ", ".join(listed)


def _advice(metric: str, task: FairseqTask, criterion: FairseqCriterion) -> str:
    """The option that makes fairseq log *metric*, if there is one."""
    pair = OF_A_PAIR.fullmatch(metric)
    if metric == "bleu" and isinstance(task, TranslationTask):
        return "; --eval-bleu logs bleu"
    if pair and pair.group(1) == "bleu" and isinstance(task, BleuAtDepthsMixin):
        return f"; --eval-bleu --eval-bleu-depths {pair.group(2)}-{pair.group(3)} logs {metric}"
    if metric.startswith("accuracy") and isinstance(criterion, REPORT_ACCURACY):
        return f"; --report-accuracy logs {metric}"
    return ""
