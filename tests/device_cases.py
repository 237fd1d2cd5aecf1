"""Tiny models and batches for every criterion, and one update by each, as fairseq's trainer makes it."""

from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional, Tuple
from unittest import mock

import torch
from fairseq.criterions.label_smoothed_cross_entropy import (
    LabelSmoothedCrossEntropyCriterion,
    LabelSmoothedCrossEntropyCriterionConfig,
)
from fairseq.logging import metrics
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from fairseq.tasks.translation import TranslationTask

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.ckd import CKDConfig, CKDCriterion
from fairseq_flexdepth.criterions.cost_aware_depth_selection import (
    CostAwareDepthSelectionConfig,
    CostAwareDepthSelectionCriterion,
)
from fairseq_flexdepth.criterions.depth_selection import PaperDepthSelectionConfig, PaperDepthSelectionCriterion
from fairseq_flexdepth.criterions.multi_task_depth_cross_entropy import MultiTaskDepthCrossEntropyCriterion
from fairseq_flexdepth.criterions.pkd import PKDConfig, PKDCriterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from fairseq_flexdepth.tasks.depth_selection import DepthSelectionTask
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationTask
from tests import tiny
from tests.labels import SECONDS, WORDS, labels_of, sentences

EPSILON = {"label_smoothing": 0.1, "sentence_avg": False}
OF_DEPTHS = {**EPSILON, "seed": 1}
OF_TEACHER = {**OF_DEPTHS, "teacher_path": "teacher.pt"}
OF_LAYERS = {
    **OF_TEACHER, "no_save_optimizer_state": False, "reset_optimizer": False, "finetune_from_model": None
}  # fmt: skip


class Case:
    """A model that a criterion trains."""

    def __init__(self, task: Any, model: Any, criterion: Any, sample: Dict[str, Any]) -> None:
        self.task, self.model, self.criterion, self.sample = task, model, criterion, sample
        self.optimizer: Any = None

    def update(self) -> Dict[str, float]:
        """One update by Adam, in the order of fairseq's trainer, and what it logs."""
        if self.optimizer is None:  # once the model is where it is to be trained
            parameters = [one for part in (self.model, self.criterion) for one in part.parameters()]
            self.optimizer = FairseqAdam(FairseqAdamConfig(lr=[0.01], adam_betas="(0.9, 0.98)"), parameters)
        self.model.train()
        self.criterion.train()
        self.optimizer.zero_grad()
        _, sample_size, logged = self.task.train_step(self.sample, self.model, self.criterion, self.optimizer, 0)
        self.optimizer.multiply_grads(1.0 / sample_size)
        norm = self.optimizer.clip_grad_norm(0.0)
        assert torch.isfinite(norm).all()
        self.task.optimizer_step(self.optimizer, self.model, 0)
        with metrics.aggregate(new_root=True) as aggregated:
            self.task.reduce_metrics([logged], self.criterion)
        return dict(aggregated.get_smoothed_values())


def translation_batch(weighted: bool = False) -> Dict[str, Any]:
    """Three sentences of different lengths."""
    batch = tiny.sample([6, 4, 2], [3, 7, 1])
    return {**batch, "sentence_weights": torch.tensor([0.5, 1.0, 0.25]).double()} if weighted else batch


def _task(kind: Any) -> Any:
    task = kind.__new__(kind)
    task.cfg = SimpleNamespace(eval_bleu=False)
    return task


def stock(**changes: Any) -> Case:
    """fairseq's own Transformer and criterion."""
    config = LabelSmoothedCrossEntropyCriterionConfig(**EPSILON)
    criterion = LabelSmoothedCrossEntropyCriterion(tiny.task(), config.sentence_avg, config.label_smoothing)
    return Case(_task(TranslationTask), tiny.plain_model(**changes), criterion, translation_batch())


def of_depths(
    criterion: Callable[..., Any],
    config: Callable[..., Any],
    build_model: Callable[..., Any] = tiny.flexible_model,
    weighted: bool = False,
    sizes: Optional[Dict[str, Any]] = None,
    **options: Any,
) -> Case:
    """A student or a model of many depths, by one of our criterions."""
    sizes = sizes or {}
    teacher = tiny.plain_model(2, **{**sizes, "encoder_layers": 4, "decoder_layers": 4})
    model = build_model(**sizes)
    torch.manual_seed(5)
    with mock.patch.object(distillation, "load_teacher", lambda path, task: Teacher([teacher])):
        built = criterion(tiny.task(), config(**options))
    built.check_model(model)
    return Case(_task(FlexDepthTranslationTask), model, built, translation_batch(weighted))


def of_selector(criterion: Callable[..., Any], config: Callable[..., Any], **changes: Any) -> Case:
    """A depth selector."""
    from fairseq import models  # noqa: PLC0415

    torch.manual_seed(1)
    source = sentences(6, seed=1)
    labels = labels_of(source)
    task = _task(DepthSelectionTask)
    task.__dict__["labels"] = labels
    task.dictionary = tiny.dictionary(WORDS)
    sizes = {"encoder_embed_dim": 12, "encoder_ffn_embed_dim": 14, "encoder_attention_heads": 2, "dropout": 0.0}
    cfg = SimpleNamespace(arch="depth_selector", max_source_positions=10, **{**sizes, **changes})
    return Case(task, models.build_model(cfg, task), criterion(task, config()), {})


CRITERIONS: Dict[str, Callable[..., Case]] = {}
PAIRS: List[Tuple[int, int]] = []
assert SECONDS is not None and MultiTaskDepthCrossEntropyCriterion and PKDConfig and PKDCriterion and CKDConfig
assert CKDCriterion and TiedMultiCrossEntropyConfig and TiedMultiCrossEntropyCriterion and WordKDConfig
assert WordKDCriterion and CostAwareDepthSelectionConfig and CostAwareDepthSelectionCriterion
assert PaperDepthSelectionConfig and PaperDepthSelectionCriterion
