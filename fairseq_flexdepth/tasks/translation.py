"""fairseq's translation task with ``--enc-layers``, ``--dec-layers`` and ``--depth-selector``."""

from typing import Any

from fairseq import utils
from fairseq.criterions import FairseqCriterion
from fairseq.models import BaseFairseqModel
from fairseq.tasks.translation import TranslationTask

from fairseq_flexdepth.compat import register_task, replace_task
from fairseq_flexdepth.files import binarised_data
from fairseq_flexdepth.protocols import Options
from fairseq_flexdepth.tasks.any_depth_task import AnyDepthTask
from fairseq_flexdepth.tasks.bleu_options import check_bleu_options
from fairseq_flexdepth.tasks.depth_options import FlexDepthTranslationConfig
from fairseq_flexdepth.tasks.greedy_search import GreedySearchMixin
from fairseq_flexdepth.tasks.selective_task import SelectiveTask
from fairseq_flexdepth.tasks.sentence_weights import weights_file, with_weights


class CheckedTranslationTask(AnyDepthTask):
    """Mixin for :class:`fairseq.tasks.translation.TranslationTask` and its subclasses: checks, and sentence weights."""

    weighs_sentences = True  # until a criterion is built that ignores the weights

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> None:
        """Load a split, with its sentence weights if ``distill --select all`` made it.

        Raises:
            ValueError: the split is missing, empty, damaged or made with other dictionaries, or the criterion ignores
                its weights.
        """
        folders, languages = utils.split_paths(self.cfg.data), (self.cfg.source_lang, self.cfg.target_lang)
        self.check_files(split, combine, dict(zip(languages, (self.source_dictionary, self.target_dictionary))))
        try:
            super().load_dataset(split, epoch, combine, **kwargs)
        except FileNotFoundError as error:
            raise binarised_data.no_such_split(self.cfg.data, split, languages, self.cfg.dataset_impl) from error
        weights = weights_file(folders[(epoch - 1) % len(folders)], split, *languages)
        self.datasets[split] = with_weights(self.datasets[split], weights, self.weighs_sentences)

    def build_model(self, cfg: Options, from_checkpoint: bool = False) -> BaseFairseqModel:
        """Build the model and set the depth to decode at.

        Raises:
            ValueError: as :class:`AnyDepthTask`, or an option of ``--eval-bleu`` is wrong.
        """
        if self.cfg.eval_bleu and not from_checkpoint:
            check_bleu_options(self.cfg)
        return super().build_model(cfg, from_checkpoint)

    def build_criterion(self, *args: Any, **kwargs: Any) -> FairseqCriterion:
        """Build the criterion, and note whether it weighs sentences."""
        criterion = super().build_criterion(*args, **kwargs)
        self.weighs_sentences = getattr(criterion, "weighs_sentences", False)
        return criterion


@register_task("translation_flexdepth", dataclass=FlexDepthTranslationConfig)
class FlexDepthTranslationTask(GreedySearchMixin, SelectiveTask, CheckedTranslationTask, TranslationTask):
    """fairseq's translation task at a chosen depth; it also replaces ``--task translation``."""

    cfg: FlexDepthTranslationConfig


replace_task("translation", FlexDepthTranslationTask, FlexDepthTranslationConfig)
