"""A task with ``--depth-selector``, which chooses the depth of each sentence."""

import time
from typing import Any, List, Optional, Sequence

from fairseq.criterions import FairseqCriterion
from fairseq.data import FairseqDataset
from fairseq.data.iterators import EpochBatchIterator
from fairseq.models import BaseFairseqModel

from fairseq_flexdepth.decoding.selective_decoding import SelectiveDecoding
from fairseq_flexdepth.decoding.selectors import build_selector
from fairseq_flexdepth.files.binarised_data import name_of
from fairseq_flexdepth.protocols import Hypotheses, Options, Sample
from fairseq_flexdepth.tasks.any_depth_task import AnyDepthTask


class SelectiveTask(AnyDepthTask):
    """Mixin for a task of fairseq with the options ``--depth-selector`` and ``--selector-threshold``, too."""

    selective: Optional[SelectiveDecoding] = None
    decoding_models: Sequence[BaseFairseqModel] = ()

    def build_model(self, cfg: Options, from_checkpoint: bool = False) -> BaseFairseqModel:
        """Build the model at the depth to decode at; load the selector with the first one.

        Raises:
            ValueError: as :class:`AnyDepthTask`, or the ``--depth-selector`` does not fit the model or the options.
        """
        model = super().build_model(cfg, from_checkpoint)
        name, threshold = self.option("depth_selector"), self.option("selector_threshold")
        if name is not None:
            self._prepare_selection(model, name, threshold)
        elif threshold is not None:
            raise ValueError(f"--selector-threshold {threshold:g}: expected a --depth-selector, too")
        return model

    def _prepare_selection(self, model: BaseFairseqModel, name: str, threshold: Optional[float]) -> None:
        """Load the selector with the first model; add *model* to the models to decode with."""
        option = f"--depth-selector {name}"
        if self.option("enc_layers") is not None or self.option("dec_layers") is not None:
            raise ValueError(f"{option}: chooses each sentence's depth; leave out --enc-layers and --dec-layers")
        if not hasattr(model, "set_depth"):
            raise ValueError(f"{option}: the checkpoint's {type(model).__name__} always runs all its layers")
        if self.selective is None:
            self.selective = SelectiveDecoding(build_selector(name, threshold, self.source_dictionary), name)
        self.decoding_models = [*self.decoding_models, model]

    def build_criterion(self, *args: Any, **kwargs: Any) -> FairseqCriterion:
        """Build the criterion, after the model; one of this package checks that its options fit the model.

        Raises:
            ValueError: they do not fit, or ``--depth-selector`` is given.
        """
        if self.option("depth_selector") is not None:
            raise ValueError(
                f"--depth-selector {self.option('depth_selector')}: chooses depths for decoding, in fairseq-generate "
                "and fairseq-interactive; leave it out here"
            )
        return super().build_criterion(*args, **kwargs)

    def described_depth(self, models: Sequence[BaseFairseqModel]) -> Optional[str]:
        """The depth that *models* decode at, in words for the log; ``None`` if there is nothing to tell."""
        if self.selective is not None:
            return f"each sentence at the depth chosen by {self.option('depth_selector')}"
        return super().described_depth(models)

    def get_batch_iterator(self, dataset: FairseqDataset, *args: Any, **kwargs: Any) -> EpochBatchIterator:
        """Make batches; with ``--depth-selector``, all sentences of a batch have one depth.

        Raises:
            ValueError: a sentence is too long, or the selector or the labels do not fit the models or the data.
        """
        if self.selective is None:
            return super().get_batch_iterator(dataset, *args, **kwargs)
        grouped = self.selective.group(dataset, name_of(dataset, self.datasets), self.decoding_models)
        iterator = super().get_batch_iterator(grouped, *args, **kwargs)
        self.selective.expect(iterator)
        return iterator

    def inference_step(
        self, generator: Any, models: Sequence[BaseFairseqModel], sample: Sample, *args: Any, **kwargs: Any
    ) -> List[Hypotheses]:
        """Decode a batch; with ``--depth-selector``, at the depth chosen for it."""
        if self.selective is None:
            return super().inference_step(generator, models, sample, *args, **kwargs)
        pair = self.selective.set_depth(models, sample)
        start = time.perf_counter()
        hypotheses = super().inference_step(generator, models, sample, *args, **kwargs)
        self.selective.count(pair, len(hypotheses), time.perf_counter() - start)
        return hypotheses
