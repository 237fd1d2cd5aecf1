"""The part that all tasks of this package share: a depth to decode at, and trainings of all depths."""

import logging
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion
from fairseq.data import Dictionary, FairseqDataset
from fairseq.models import BaseFairseqModel
from fairseq.optim import FairseqOptimizer

from fairseq_flexdepth.decoding.model_depth import apply_depth, describe_depth
from fairseq_flexdepth.depth.supported_depths import written_pair
from fairseq_flexdepth.files.binarised_data import check_split, read_dictionary
from fairseq_flexdepth.models.mixed_precision import loss_scale, refresh_fp32_copies
from fairseq_flexdepth.protocols import Hypotheses, Options, Sample
from fairseq_flexdepth.pruning.keep_pruned import PrunedWeights
from fairseq_flexdepth.tasks.resuming import PortableBatchesTask

logger = logging.getLogger(__name__)


class AnyDepthTask(PortableBatchesTask):
    """Mixin for a task of fairseq, with the options of :mod:`fairseq_flexdepth.tasks.depth_options`.

    It comes before fairseq's class: ``class Ours(AnyDepthTask, TranslationTask)``. The options are in ``self.cfg`` of a
    task with a dataclass, or in ``self.args`` of a task with ``add_args``.
    """

    latest_model: Optional[BaseFairseqModel] = None
    latest_update: Optional[int] = None
    pruned_weights: Optional[PrunedWeights] = None
    checked_splits: Set[str] = set()
    profiles_residuals = True  # --residual-init admin needs it
    gives_loss_scale = True  # --accumulate-depths needs it
    tag_words: Sequence[str] = ()  # the words that mark languages, which are no words of the text
    data_is = "made by fairseq-preprocess"  # says of the data directory what it should be

    @property
    def options(self) -> Any:
        """The options of the task."""
        return self.cfg if self.cfg is not None else getattr(self, "args", None)

    def option(self, name: str) -> Any:
        """One of the options; ``None`` if the task, or the checkpoint that it comes from, does not have it."""
        return getattr(self.options, name, None)

    @classmethod
    def setup_task(cls, cfg: Options, **kwargs: Any) -> Any:
        """Set up the task as fairseq does, after a check that the data directories exist.

        Raises:
            ValueError: a data directory is missing or has no dictionaries, or its file names do not show the languages.
        """
        for path in utils.split_paths(cfg.data):
            if not os.path.isdir(path):
                raise ValueError(f"DATA {path}: no such directory; expected one {cls.data_is}")
        try:
            return super().setup_task(cfg, **kwargs)
        except Exception as error:
            if type(error) is not Exception:
                raise
            text = os.path.isfile(os.path.join(utils.split_paths(cfg.data)[0], "dict.txt"))  # --only-source
            hint = "; for a language model give --task language_modeling" if text else ""
            raise ValueError(f"DATA {cfg.data}: {error}, or a directory {cls.data_is}{hint}") from error

    @classmethod
    def load_dictionary(cls, filename: str) -> Dictionary:
        """Load a dictionary; errors name the file.

        Raises:
            ValueError: the file is missing, or is not a dictionary.
        """
        return read_dictionary(filename)

    def check_files(self, split: str, combine: bool, dictionaries: Dict[str, Dictionary]) -> None:
        """Check the files of a split of sentence pairs, once.

        Args:
            split: the name of the split.
            combine: whether NAME1, NAME2 and so on belong to the split NAME.
            dictionaries: the dictionaries by language.

        Raises:
            ValueError: a file is empty or damaged, or was made with other dictionaries.
        """
        impl = self.option("dataset_impl")
        self.check_once(split, lambda folder: check_split(folder, split, combine, dictionaries, impl))

    def check_once(self, split: str, check: Callable[[str], None]) -> None:
        """Call *check* with each data directory, once per split: a training loads its data again every epoch."""
        if split not in self.checked_splits:
            for folder in utils.split_paths(self.options.data):
                check(folder)
            self.checked_splits = {*self.checked_splits, split}

    def build_model(self, cfg: Options, from_checkpoint: bool = False) -> BaseFairseqModel:
        """Build the model and set the depth to decode at; in training, ``--subnetworks`` is an option of the model.

        Raises:
            ValueError: the model does not support the depth, or ``--keep-pruned`` is given with ``fully_sharded``.
        """
        if self.option("keep_pruned") and getattr(cfg, "ddp_backend", None) == "fully_sharded":
            raise ValueError(
                "--keep-pruned: does not work with --ddp-backend fully_sharded, which splits the weights; "
                "use --ddp-backend legacy_ddp"
            )
        self.latest_model = None  # --eval-bleu builds a generator now, before the depth is set: log nothing
        model = super().build_model(cfg, from_checkpoint)
        apply_depth(model, *map(self.option, ("enc_layers", "dec_layers", "subnetworks")))
        self.latest_model = model
        return model

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

    def begin_epoch(self, epoch: int, model: BaseFairseqModel) -> None:
        """Refuse decoding options in training; with ``--keep-pruned``, note which loaded weights are zero.

        Raises:
            ValueError: a decoding option is given, or no weight is zero.
        """
        super().begin_epoch(epoch, model)
        for side in ("enc", "dec"):
            depth = self.option(f"{side}_layers")
            if depth is not None:
                raise ValueError(
                    f"--{side}-layers {depth}: chooses a depth for decoding; leave it out in training, or train "
                    f"fewer depths with --{side}oder-depths {depth}"
                )
        if self.option("keep_pruned") and self.pruned_weights is None:
            self.pruned_weights = PrunedWeights(model)
            logger.info("%s weights stay zero (--keep-pruned)", f"{self.pruned_weights.number():,}")

    def build_generator(self, models: Sequence[BaseFairseqModel], *args: Any, **kwargs: Any) -> Any:
        """Build the beam search, and log the depth that it decodes at."""
        depth = self.described_depth(models)
        if depth is not None:
            logger.info("decoding %s", depth)
        return super().build_generator(models, *args, **kwargs)

    def described_depth(self, models: Sequence[BaseFairseqModel]) -> Optional[str]:
        """The depth that *models* decode at, in words for the log; ``None`` if there is nothing to tell."""
        depth = None if self.latest_model is None else describe_depth(models)
        return None if depth is None else f"with {depth}"

    def can_reuse_epoch_itr(self, dataset: FairseqDataset) -> bool:
        """False: fairseq-fixed would keep the batches of the first epoch, and a resumed run starts in a later one."""
        return False

    def inference_step(
        self, generator: Any, models: Sequence[BaseFairseqModel], sample: Sample, *args: Any, **kwargs: Any
    ) -> List[Hypotheses]:
        """Decode a batch.

        Diverse beam search uses the ``id`` of a sentence as its position in the batch, so fairseq gets the position.
        """
        number = sample.get("id")
        if number is not None:
            sample = {**sample, "id": torch.arange(len(number), device=number.device)}
        return super().inference_step(generator, models, sample, *args, **kwargs)


def _an_update_begins(model: BaseFairseqModel) -> bool:
    """Whether this is the first batch of an update: with ``--update-freq``, later ones add to its gradients."""
    return all(parameter.grad is None for parameter in model.parameters())
