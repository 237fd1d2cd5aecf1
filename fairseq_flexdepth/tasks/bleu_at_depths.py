"""``--eval-bleu-depths``: BLEU of several depth pairs in validation, beside fairseq's own of the deepest pair."""

from contextlib import contextmanager
from functools import partial
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np
import torch
from fairseq.criterions import FairseqCriterion
from fairseq.logging import metrics
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from fairseq.tasks.translation import EVAL_BLEU_ORDER
from sacrebleu.metrics import BLEU
from torch import Tensor

from fairseq_flexdepth.criterions.logged_sums import logged_sums
from fairseq_flexdepth.decoding.model_depth import current_depth
from fairseq_flexdepth.depth.supported_depths import DepthPair, depth_suffix, parse_pairs
from fairseq_flexdepth.protocols import FlexibleModel, Options, Sample
from fairseq_flexdepth.tasks.bleu_options import DEPTHS, asked_depths, check_bleu_depths


class BleuAtDepthsMixin(FairseqTask):
    """Mixin for a task derived from fairseq's ``TranslationTask``: validation logs ``bleu_e<n>d<m>`` of chosen pairs.

    It is the corpus BLEU by sacrebleu, from n-gram counts summed over batches and workers, as fairseq's ``bleu`` is.
    """

    cfg: Any

    @property
    def bleu_pairs(self) -> List[DepthPair]:
        """The depth pairs of ``--eval-bleu-depths``; none without ``--eval-bleu``.

        Raises:
            ValueError: the option is not a list of depth pairs.
        """
        asked = asked_depths(self.cfg)
        return parse_pairs(asked, DEPTHS) if self.cfg.eval_bleu and asked is not None else []

    def build_model(self, cfg: Options, from_checkpoint: bool = False) -> BaseFairseqModel:
        """Build the model.

        Raises:
            ValueError: ``--eval-bleu-depths`` does not fit the model or the other options.
        """
        model = super().build_model(cfg, from_checkpoint)
        if self.cfg.eval_bleu or not from_checkpoint:
            check_bleu_depths(self.cfg, model)
        return model

    def valid_step(
        self, sample: Sample, model: BaseFairseqModel, criterion: FairseqCriterion
    ) -> Tuple[Tensor, Any, Dict[str, Any]]:
        """Compute the losses of a batch as fairseq does, and the n-gram counts of its translations at each pair."""
        loss, sample_size, logged = super().valid_step(sample, model, criterion)
        pairs = self.bleu_pairs
        if not pairs:
            return loss, sample_size, logged
        decoded = {current_depth(model): _counts(logged)}
        with _untouched(model, sample["target"].device):
            for pair in pairs:
                if pair not in decoded:
                    model.set_depth(*pair)
                    decoded[pair] = _counts(super().valid_step(sample, model, _no_loss)[2])
                logged.update({f"_{bleu_key(pair)}{name}": count for name, count in decoded[pair].items()})
        return loss, sample_size, logged

    def reduce_metrics(self, logging_outputs: List[Dict[str, Any]], criterion: FairseqCriterion) -> None:
        """Log fairseq's values and the BLEU of each pair, all workers together."""
        super().reduce_metrics(logging_outputs, criterion)
        keys = [bleu_key(pair) for pair in self.bleu_pairs]
        keys = [key for key in keys if any(f"_{key}_sys_len" in output for output in logging_outputs)]
        if keys:  # none in training: to sum waits for the device
            sums = logged_sums(logging_outputs)
            for key in keys:
                _log_bleu(key, sums)


def bleu_key(pair: DepthPair) -> str:
    """The key under which the BLEU of a depth pair is logged: ``bleu_e<n>d<m>``."""
    return f"bleu_{depth_suffix(pair)}"


def _no_loss(*_: Any) -> Tuple[None, int, Dict[str, Any]]:
    """In place of a criterion: fairseq's ``valid_step`` then only decodes."""
    return None, 0, {}


def _counts(logged: Dict[str, Any]) -> Dict[str, Any]:
    """What fairseq has logged for its BLEU, by the names ``_sys_len``, ``_ref_len``, ``_counts_0``, ``_totals_0``, …"""
    return {key[len("_bleu") :]: value for key, value in logged.items() if key.startswith("_bleu_")}


def _log_bleu(key: str, sums: Dict[str, float]) -> None:
    """Log the sums of one pair, from which its BLEU is computed once all batches are logged.

    fairseq logs no ``bleu`` if all hypotheses are empty; ``--best-checkpoint-metric`` would then fail to find it.
    """
    for name in ("counts", "totals"):  # arrays, which fairseq's meters add up
        metrics.log_scalar(f"_{key}_{name}", np.array([sums[f"_{key}_{name}_{i}"] for i in range(EVAL_BLEU_ORDER)]))
    for name in ("sys_len", "ref_len"):
        metrics.log_scalar(f"_{key}_{name}", sums[f"_{key}_{name}"])
    metrics.log_derived(key, partial(_corpus_bleu, key))


def _corpus_bleu(key: str, meters: Dict[str, Any]) -> float:
    """BLEU from the sums that *meters* have of one pair, rounded as fairseq's."""
    counts, totals, system, reference = (
        meters[f"_{key}_{name}"].sum for name in ("counts", "totals", "sys_len", "ref_len")
    )
    score = BLEU.compute_bleu(counts, totals, int(system), int(reference), smooth_method="exp").score
    return round(float(score), 2)


@contextmanager
def _untouched(model: FlexibleModel, device: torch.device) -> Iterator[None]:
    """After this context, *model* has the depth that it had before, and so have torch's random numbers their state."""
    chosen: Sequence[int] = model.chosen_depth or ()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            model.set_depth(*chosen)
