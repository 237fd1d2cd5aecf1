"""fairseq's translation task with ``--enc-layers``, ``--dec-layers`` and ``--depth-selector``."""

import logging
import os
import time
from typing import Any, Optional, Sequence, Set

import torch
from fairseq import utils
from fairseq.tasks.translation import TranslationTask

from fairseq_flexdepth.compat import register_task, replace_task
from fairseq_flexdepth.decoding.model_depth import apply_depth, describe_depth
from fairseq_flexdepth.decoding.selective_decoding import SelectiveDecoding
from fairseq_flexdepth.decoding.selectors import build_selector
from fairseq_flexdepth.depth.space import written_pair
from fairseq_flexdepth.files import binarised_data
from fairseq_flexdepth.models.mixed_precision import loss_scale, refresh_fp32_copies
from fairseq_flexdepth.pruning.pruned_weights import PrunedWeights
from fairseq_flexdepth.tasks.bleu_options import check_bleu_options
from fairseq_flexdepth.tasks.resuming import portable
from fairseq_flexdepth.tasks.sentence_weights import WeightedSentences, weights_file
from fairseq_flexdepth.tasks.translation_config import FlexDepthTranslationConfig

logger = logging.getLogger(__name__)


@register_task("translation_flexdepth", dataclass=FlexDepthTranslationConfig)
class FlexDepthTranslationTask(TranslationTask):
    """Translation at the depth asked for; also registered as ``translation``, which it extends."""

    cfg: FlexDepthTranslationConfig
    latest_model: Any = None
    latest_update: Optional[int] = None
    pruned_weights: Optional[PrunedWeights] = None
    profiles_residuals = True
    gives_loss_scale = True
    weighs_sentences = True  # where there is no criterion
    selective: Optional[SelectiveDecoding] = None
    decoding_models: Sequence[Any] = ()
    checked_splits: Set[str] = set()  # whose files were looked at; a training loads its data again every epoch

    @classmethod
    def setup_task(cls, cfg: FlexDepthTranslationConfig, **kwargs: Any) -> "FlexDepthTranslationTask":
        """As fairseq's.

        Raises:
            ValueError: a data directory is missing, or does not tell its languages, or has no dictionaries.
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
    def load_dictionary(cls, filename: str) -> Any:
        """As fairseq's.

        Raises:
            ValueError: there is no such file, or it is no dictionary.
        """
        return binarised_data.read_dictionary(filename)

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> None:
        """As fairseq's; a split made by ``distill --select all`` has weights.

        Raises:
            ValueError: the split is missing, empty, damaged or of other dictionaries, or has weights that the
                criterion ignores.
        """
        folders = utils.split_paths(self.cfg.data)
        if split not in self.checked_splits:
            dictionaries = {self.cfg.source_lang: self.source_dictionary, self.cfg.target_lang: self.target_dictionary}
            for folder in folders:
                binarised_data.check_split(folder, split, combine, dictionaries, self.cfg.dataset_impl)
            self.checked_splits = {*self.checked_splits, split}
        try:
            super().load_dataset(split, epoch, combine, **kwargs)
        except FileNotFoundError as error:
            languages = (self.cfg.source_lang, self.cfg.target_lang)
            raise binarised_data.no_such_split(self.cfg.data, split, languages, self.cfg.dataset_impl) from error
        weights = weights_file(folders[(epoch - 1) % len(folders)], split, self.cfg.source_lang, self.cfg.target_lang)
        if os.path.exists(weights):
            if not self.weighs_sentences:
                raise ValueError(
                    f"DATA {weights}: the criterion would ignore these weights; use --criterion word_kd --kd-alpha 0, "
                    "which trains like label_smoothed_cross_entropy, or another criterion of this package"
                )
            self.datasets[split] = WeightedSentences(self.datasets[split], weights)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Build the model and set its depth; in training ``--subnetworks`` is the model's own.

        Raises:
            ValueError: a depth is asked for that the model does not support, ``--keep-pruned`` of shards, a
                ``--depth-selector`` that does not fit, or an option of ``--eval-bleu`` that is wrong.
        """
        if self.cfg.keep_pruned and getattr(cfg, "ddp_backend", None) == "fully_sharded":
            raise ValueError(
                "--keep-pruned: does not find the zeros of --ddp-backend fully_sharded's shards; "
                "use --ddp-backend legacy_ddp"
            )
        if self.cfg.eval_bleu and not from_checkpoint:
            check_bleu_options(self.cfg)
        self.latest_model = None  # --eval-bleu builds a generator now, of a depth that is yet to be chosen
        model = super().build_model(cfg, from_checkpoint)
        apply_depth(model, self.cfg.enc_layers, self.cfg.dec_layers, self.cfg.subnetworks)
        self.latest_model = model
        if self.cfg.depth_selector is not None:
            self._prepare_selection(model, self.cfg.depth_selector)
        elif self.cfg.selector_threshold is not None:
            raise ValueError(f"--selector-threshold {self.cfg.selector_threshold:g}: expected a --depth-selector, too")
        return model

    def _prepare_selection(self, model: Any, name: str) -> None:
        option = f"--depth-selector {name}"
        if self.cfg.enc_layers is not None or self.cfg.dec_layers is not None:
            raise ValueError(f"{option}: chooses each sentence's depth; leave out --enc-layers and --dec-layers")
        if not hasattr(model, "set_depth"):
            raise ValueError(f"{option}: the checkpoint's {type(model).__name__} always runs all its layers")
        if self.selective is None:
            selector = build_selector(name, self.cfg.selector_threshold, self.source_dictionary)
            self.selective = SelectiveDecoding(selector, name)
        self.decoding_models = [*self.decoding_models, model]

    def build_criterion(self, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's, once the model is built; our criterions look at it.

        Raises:
            ValueError: the criterion's options do not fit the model, or ``--depth-selector`` is given.
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
        self, sample: Any, model: Any, criterion: Any, optimizer: Any, update_num: int, *args: Any, **kwargs: Any
    ) -> Any:
        """As fairseq's; the model learns the loss scale if it needs it, and from the first batch Admin's scales.

        fairseq stops where gradients are not finite, but says nothing of depths: the log names them.
        """
        if _an_update_begins(model):  # fairseq has by then waited for the device, to log the last one
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

    def _name_depths_not_finite(self, criterion: Any) -> None:
        """In the update before; where fairseq finds gradients that are not finite, it begins that one once more."""
        if hasattr(criterion, "pairs_not_finite"):
            not_finite = ", ".join(map(written_pair, criterion.pairs_not_finite()))
            if not_finite:
                logger.warning("update %s: the loss at depth %s is not finite", self.latest_update, not_finite)

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        """As fairseq's; ``--keep-pruned`` holds its zeros."""
        super().optimizer_step(optimizer, model, update_num)
        if self.pruned_weights is not None:
            self.pruned_weights.restore(optimizer)

    def build_generator(self, models: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """As fairseq's; the log says which depth decodes."""
        depth = describe_depth(models)
        if self.selective is not None:
            logger.info("decoding each sentence at the depth that %s chooses", self.cfg.depth_selector)
        elif depth is not None and self.latest_model is not None:
            logger.info("decoding with %s", depth)
        return super().build_generator(models, *args, **kwargs)

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's; with ``--depth-selector`` a batch holds sentences of one depth.

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

    def can_reuse_epoch_itr(self, dataset: Any) -> bool:
        """No: fairseq-fixed would keep the batches of the epoch it starts in, and a resumed run starts in another."""
        return False

    def inference_step(self, generator: Any, models: Sequence[Any], sample: Any, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's; with ``--depth-selector`` at the depth chosen for the batch.

        Diverse beam search takes a sentence's ``id`` for its place in the batch: fairseq is handed that place.
        """
        placed = sample
        if "id" in sample:
            placed = {**sample, "id": torch.arange(len(sample["id"]), device=sample["id"].device)}
        if self.selective is None:
            return super().inference_step(generator, models, placed, *args, **kwargs)
        pair = self.selective.set_depth(models, sample)
        start = time.perf_counter()
        hypotheses = super().inference_step(generator, models, placed, *args, **kwargs)
        self.selective.count(pair, len(hypotheses), time.perf_counter() - start)
        return hypotheses

    def begin_epoch(self, epoch: int, model: Any) -> None:
        """Refuse to train one depth by a decoding option; ``--keep-pruned`` looks for zeros in the loaded model.

        Raises:
            ValueError: a decoding depth is set, or nothing is zero.
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


def _an_update_begins(model: Any) -> bool:
    """Whether there are no gradients yet, to which the batches of ``--update-freq`` add."""
    return all(parameter.grad is None for parameter in model.parameters())


replace_task("translation", FlexDepthTranslationTask, FlexDepthTranslationConfig)
