"""fairseq's task with one model per direction, ``multilingual_translation``, at a chosen depth."""

from argparse import ArgumentParser, Namespace
from typing import Any, Sequence, Tuple

from fairseq.criterions import FairseqCriterion
from fairseq.data import FairseqDataset, RoundRobinZipDatasets
from fairseq.data.iterators import EpochBatchIterator
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import BaseFairseqModel
from fairseq.optim import FairseqOptimizer
from fairseq.tasks.multilingual_translation import MultilingualTranslationTask

from fairseq_flexdepth.compat import replace_task
from fairseq_flexdepth.protocols import Sample
from fairseq_flexdepth.tasks.depth_options import DepthOptions
from fairseq_flexdepth.tasks.many_directions import ManyDirectionsTask
from fairseq_flexdepth.tasks.refused_options import MANY_DIRECTIONS, add_refused


class FlexDepthMultilingualTranslationTask(ManyDirectionsTask, MultilingualTranslationTask):
    """fairseq's task ``multilingual_translation`` at a chosen depth; it replaces fairseq's."""

    profiles_residuals = False  # directions that share an encoder would each set its scales

    @classmethod
    def setup_task(cls, cfg: Namespace, **kwargs: Any) -> Any:
        """Load the dictionaries of all languages.

        Raises:
            ValueError: as :class:`ManyDirectionsTask`, or there is no model of the direction.
        """
        task = super().setup_task(cfg, **kwargs)
        direction = f"{cfg.source_lang}-{cfg.target_lang}"
        if cfg.source_lang is not None and direction not in cfg.lang_pairs:
            asked = f"--source-lang {cfg.source_lang} --target-lang {cfg.target_lang}"
            raise ValueError(f"{asked}: expected one of --lang-pairs {','.join(cfg.lang_pairs)}")
        return task

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Declare fairseq's options, those of a depth to decode at, and the refused options."""
        MultilingualTranslationTask.add_args(parser)
        gen_parser_from_dataclass(parser, DepthOptions())
        add_refused(parser, MANY_DIRECTIONS)

    @property
    def tag_words(self) -> Sequence[str]:  # type: ignore[override]
        """The words that mark languages."""
        return [f"__{language}__" for language in self.langs]

    def train_step(
        self, sample: Sample, model: BaseFairseqModel, criterion: FairseqCriterion, optimizer: FairseqOptimizer,
        update_num: int, *args: Any, **kwargs: Any,
    ) -> Tuple[Any, ...]:  # fmt: skip
        """Run forward and backward passes of all directions.

        fairseq's other tasks tell the model the number of the update; this one does not. It seeds the draw of depths.
        """
        model.set_num_updates(update_num)
        return super().train_step(sample, model, criterion, optimizer, update_num, *args, **kwargs)

    def get_batch_iterator(self, dataset: FairseqDataset, *args: Any, **kwargs: Any) -> EpochBatchIterator:
        """Make batches that a resumed run makes again: the data set would keep the order of the run's first epoch."""
        if isinstance(dataset, RoundRobinZipDatasets):
            dataset._ordered_indices = None
        return super().get_batch_iterator(dataset, *args, **kwargs)


replace_task("multilingual_translation", FlexDepthMultilingualTranslationTask)
