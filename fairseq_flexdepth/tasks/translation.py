"""fairseq's translation task with ``--enc-layers``, ``--dec-layers`` and ``--depth-selector``."""

import logging
import os
import time
from typing import Any, List, Optional, Sequence, Set, Tuple

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion
from fairseq.data import Dictionary, FairseqDataset
from fairseq.data.iterators import EpochBatchIterator
from fairseq.models import BaseFairseqModel
from fairseq.optim import FairseqOptimizer
from fairseq.tasks.translation import TranslationTask

from fairseq_flexdepth.compat import register_task, replace_task
from fairseq_flexdepth.decoding.model_depth import apply_depth, describe_depth
from fairseq_flexdepth.decoding.selective_decoding import SelectiveDecoding
from fairseq_flexdepth.decoding.selectors import build_selector
from fairseq_flexdepth.depth.supported_depths import written_pair
from fairseq_flexdepth.files import binarised_data
from fairseq_flexdepth.models.mixed_precision import loss_scale, refresh_fp32_copies
from fairseq_flexdepth.protocols import Hypotheses, Options, Sample
from fairseq_flexdepth.pruning.keep_pruned import PrunedWeights
from fairseq_flexdepth.tasks.bleu_at_depths import BleuAtDepthsMixin
from fairseq_flexdepth.tasks.bleu_options import check_bleu_options
from fairseq_flexdepth.tasks.depth_options import FlexDepthTranslationConfig
from fairseq_flexdepth.tasks.greedy_search import GreedySearchMixin
from fairseq_flexdepth.tasks.resuming import portable
from fairseq_flexdepth.tasks.sentence_weights import weights_file, with_weights

logger = logging.getLogger(__name__)


@register_task("translation_flexdepth", dataclass=FlexDepthTranslationConfig)
class FlexDepthTranslationTask(BleuAtDepthsMixin, GreedySearchMixin, TranslationTask):
    """fairseq's translation task at a chosen depth; it also replaces ``--task translation``."""

    cfg: FlexDepthTranslationConfig
    latest_model: Optional[BaseFairseqModel] = None
    latest_update: Optional[int] = None
    pruned_weights: Optional[PrunedWeights] = None
    profiles_residuals = True
    gives_loss_scale = True
    weighs_sentences = True  # until a criterion is built that ignores the weights
    selective: Optional[SelectiveDecoding] = None
    decoding_models: Sequence[BaseFairseqModel] = ()
    checked_splits: Set[str] = set()  # a training loads its data again every epoch: check the files once

    @classmethod
    def setup_task(cls, cfg: FlexDepthTranslationConfig, **kwargs: Any) -> "FlexDepthTranslationTask":
        """Load the dictionaries, after a check that the data directories exist.

        Raises:
            ValueError: a data directory is missing or has no dictionaries, or its file names do not show the languages.
        """
        for path in utils.split_paths(cfg.data):
            if not os.path.isdir(path):
                raise ValueError(f"DATA {path}: no such directory; expected one made by fairseq-preprocess")
        try:
            return super().setup_task(cfg, **kwargs)
        except Exception as error:
            if type(error) is not Exception:
                raise
            raise ValueError(f"DATA {cfg.data}: {error}, or a directory made by fairseq-preprocess") from error

    @classmethod
    def load_dictionary(cls, filename: str) -> Dictionary:
        """Load a dictionary; errors name the file.

        Raises:
            ValueError: the file is missing, or is not a dictionary.
        """
        return binarised_data.read_dictionary(filename)

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> None:
        """Load a split, with its sentence weights if ``distill --select all`` made it.

        Raises:
            ValueError: the split is missing, empty, damaged or made with other dictionaries, or the criterion ignores
                its weights.
        """
        folders, languages = utils.split_paths(self.cfg.data), (self.cfg.source_lang, self.cfg.target_lang)
        if split not in self.checked_splits:
            dictionaries = dict(zip(languages, (self.source_dictionary, self.target_dictionary)))
            for folder in folders:
                binarised_data.check_split(folder, split, combine, dictionaries, self.cfg.dataset_impl)
            self.checked_splits = {*self.checked_splits, split}
        try:
            super().load_dataset(split, epoch, combine, **kwargs)
        except FileNotFoundError as error:
            raise binarised_data.no_such_split(self.cfg.data, split, languages, self.cfg.dataset_impl) from error
        weights = weights_file(folders[(epoch - 1) % len(folders)], split, *languages)
        self.datasets[split] = with_weights(self.datasets[split], weights, self.weighs_sentences)

    def build_model(self, cfg: Options, from_checkpoint: bool = False) -> BaseFairseqModel:
        """Build the model and set the depth to decode at; in training, ``--subnetworks`` is an option of the model.

        Raises:
            ValueError: the model does not support the depth, ``--keep-pruned`` is given with ``fully_sharded``, the
                ``--depth-selector`` does not fit the model, or an option of ``--eval-bleu`` is wrong.
        """
        if self.cfg.keep_pruned and getattr(cfg, "ddp_backend", None) == "fully_sharded":
            raise ValueError(
                "--keep-pruned: does not work with --ddp-backend fully_sharded, which splits the weights; "
                "use --ddp-backend legacy_ddp"
            )
        if self.cfg.eval_bleu and not from_checkpoint:
            check_bleu_options(self.cfg)
        self.latest_model = None  # --eval-bleu builds a generator now, before the depth is set: log nothing
        model = super().build_model(cfg, from_checkpoint)
        apply_depth(model, self.cfg.enc_layers, self.cfg.dec_layers, self.cfg.subnetworks)
        self.latest_model = model
        if self.cfg.depth_selector is not None:
            self._prepare_selection(model, self.cfg.depth_selector)
        elif self.cfg.selector_threshold is not None:
            raise ValueError(f"--selector-threshold {self.cfg.selector_threshold:g}: expected a --depth-selector, too")
        return model

    def _prepare_selection(self, model: BaseFairseqModel, name: str) -> None:
        """Load the selector with the first model; add *model* to the models to decode with."""
        option = f"--depth-selector {name}"
        if self.cfg.enc_layers is not None or self.cfg.dec_layers is not None:
            raise ValueError(f"{option}: chooses each sentence's depth; leave out --enc-layers and --dec-layers")
        if not hasattr(model, "set_depth"):
            raise ValueError(f"{option}: the checkpoint's {type(model).__name__} always runs all its layers")
        if self.selective is None:
            selector = build_selector(name, self.cfg.selector_threshold, self.source_dictionary)
            self.selective = SelectiveDecoding(selector, name)
        self.decoding_models = [*self.decoding_models, model]

    def build_criterion(self, *args: Any, **kwargs: Any) -> FairseqCriterion:
        """Build the criterion, after the model; one of this package checks that its options fit the model.

        Raises:
            ValueError: they do not fit, or ``--depth-selector`` is given.
        """
        if self.cfg.depth_selector is not None:
            raise ValueError(
                f"--depth-selector {self.cfg.depth_selector}: chooses depths for decoding, in fairseq-generate and "
                "fairseq-interactive; leave it out here"
            )
        criterion = super().build_criterion(*args, **kwargs)
        self.weighs_sentences = getattr(criterion, "weighs_sentences", False)
        return criterion

    def train_step(
        self, sample: Sample, model: BaseFairseqModel, criterion: FairseqCriterion, optimizer: FairseqOptimizer,
        update_num: int, *args: Any, **kwargs: Any,
    ) -> Tuple[Any, ...]:  # fmt: skip
        """Run forward and backward pass, after three preparations.

        The loss scale goes to a model that needs it. The first batch sets Admin's residual scales. The log names the
        depth pairs whose loss was not finite in the previous update: fairseq stops there without naming a depth.
        """
        if _an_update_begins(model):  # fairseq has waited for the device already, to log the previous update
            self._name_depths_not_finite(criterion)
        self.latest_update = update_num
        if getattr(criterion, "needs_loss_scale", False):
            model.set_loss_scale(loss_scale(optimizer))
        if not getattr(model, "residuals_profiled", True):
            model.profile_residuals(sample["net_input"])
            refresh_fp32_copies(optimizer)
        results = super().train_step(sample, model, criterion, optimizer, update_num, *args, **kwargs)
        if self.pruned_weights is not None:
            self.pruned_weights.mask_gradients()
        return results

    def _name_depths_not_finite(self, criterion: FairseqCriterion) -> None:
        """Log the depth pairs whose loss was not finite in the previous update, or in the attempt that is repeated."""
        if hasattr(criterion, "pairs_not_finite"):
            not_finite = ", ".join(map(written_pair, criterion.pairs_not_finite()))
            if not_finite:
                logger.warning("update %s: the loss at depth %s is not finite", self.latest_update, not_finite)

    def optimizer_step(self, optimizer: FairseqOptimizer, model: BaseFairseqModel, update_num: int) -> None:
        """Update the parameters; ``--keep-pruned`` sets the pruned ones back to zero."""
        super().optimizer_step(optimizer, model, update_num)
        if self.pruned_weights is not None:
            self.pruned_weights.restore(optimizer)

    def build_generator(self, models: Sequence[BaseFairseqModel], *args: Any, **kwargs: Any) -> Any:
        """Build the beam search, and log the depth that it decodes at."""
        depth = describe_depth(models)
        if self.selective is not None:
            logger.info("decoding each sentence at the depth chosen by %s", self.cfg.depth_selector)
        elif depth is not None and self.latest_model is not None:
            logger.info("decoding with %s", depth)
        return super().build_generator(models, *args, **kwargs)

    def get_batch_iterator(self, dataset: FairseqDataset, *args: Any, **kwargs: Any) -> EpochBatchIterator:
        """Make batches; with ``--depth-selector``, all sentences of a batch have one depth.

        Raises:
            ValueError: a sentence is too long, or the selector or the labels do not fit the models or the data.
        """
        split = binarised_data.name_of(dataset, self.datasets)
        with binarised_data.named_batching_mistakes(split or "input", kwargs.get("max_tokens")):
            if self.selective is None:
                return portable(super().get_batch_iterator(dataset, *args, **kwargs))
            grouped = self.selective.group(dataset, split, self.decoding_models)
            iterator = super().get_batch_iterator(grouped, *args, **kwargs)
        self.selective.expect(iterator)
        return iterator

    def can_reuse_epoch_itr(self, dataset: FairseqDataset) -> bool:
        """False: fairseq-fixed would keep the batches of the first epoch, and a resumed run starts in a later one."""
        return False

    def inference_step(
        self, generator: Any, models: Sequence[BaseFairseqModel], sample: Sample, *args: Any, **kwargs: Any
    ) -> List[Hypotheses]:
        """Decode a batch; with ``--depth-selector``, at the depth chosen for it.

        Diverse beam search uses the ``id`` of a sentence as its position in the batch, so fairseq gets the position.
        """
        number = sample.get("id")
        placed = sample if number is None else {**sample, "id": torch.arange(len(number), device=number.device)}
        if self.selective is None:
            return super().inference_step(generator, models, placed, *args, **kwargs)
        pair = self.selective.set_depth(models, sample)
        start = time.perf_counter()
        hypotheses = super().inference_step(generator, models, placed, *args, **kwargs)
        self.selective.count(pair, len(hypotheses), time.perf_counter() - start)
        return hypotheses

    def begin_epoch(self, epoch: int, model: BaseFairseqModel) -> None:
        """Refuse decoding options in training; with ``--keep-pruned``, note which loaded weights are zero.

        Raises:
            ValueError: a decoding option is given, or no weight is zero.
        """
        super().begin_epoch(epoch, model)
        for option, depth in (("enc", self.cfg.enc_layers), ("dec", self.cfg.dec_layers)):
            if depth is not None:
                raise ValueError(
                    f"--{option}-layers {depth}: chooses a depth for decoding; leave it out in training, or train "
                    f"fewer depths with --{option}oder-depths {depth}"
                )
        if self.cfg.keep_pruned and self.pruned_weights is None:
            self.pruned_weights = PrunedWeights(model)
            logger.info("%s weights stay zero (--keep-pruned)", f"{self.pruned_weights.number():,}")


def _an_update_begins(model: BaseFairseqModel) -> bool:
    """Whether this is the first batch of an update: with ``--update-freq``, later ones add to its gradients."""
    return all(parameter.grad is None for parameter in model.parameters())


replace_task("translation", FlexDepthTranslationTask, FlexDepthTranslationConfig)
