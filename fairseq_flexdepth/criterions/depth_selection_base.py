"""The base of the criterions that train a depth selector: it measures and logs how well the selector chooses."""

from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.criterions import FairseqCriterion
from fairseq.logging import metrics
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.criterions.logged_sums import logged_sums, mean
from fairseq_flexdepth.depth.supported_depths import from_fastest
from fairseq_flexdepth.depth.trade_off import fastest_of_best
from fairseq_flexdepth.modules.depth_choice import choose, probabilities
from fairseq_flexdepth.protocols import Sample

# Values logged as means over sentences.
_MEANS = ("quality", "quality_deepest", "quality_oracle", "cost", "cost_oracle")
# Values logged as sums over all decisions; a decision is about one sentence and one depth pair.
_COUNTS = ("true_positives", "predicted", "positives", "weighted_true_positives", "weighted_decisions")
# Ratios of two of these sums. They are formed after the sums over all batches: a mean of ratios would be another value.
_RATIOS = {
    "precision": ("true_positives", "predicted"),
    "recall": ("true_positives", "positives"),
    "f_beta": ("weighted_true_positives", "weighted_decisions"),
}


class DepthSelectionCriterion(FairseqCriterion):
    """Base of the depth selectors' criterions: the loss is the mean over sentences.

    It logs precision, recall and Fβ over all decisions (one per sentence and depth pair), and

    - ``quality``: the mean score of the chosen pairs. For comparison, ``quality_deepest`` is the mean score if the
      deepest pair is always chosen, and ``quality_oracle`` if the oracle chooses, the fastest of the best pairs
      ([dabre2020] Eq. 1);
    - ``cost``: the mean decoding time of the chosen pairs, relative to the deepest pair. For comparison,
      ``cost_oracle`` is the mean time if the oracle chooses.

    Args:
        task: the depth selection task, which has the training labels.
        name: the name of the criterion, for error messages.
        beta: β of the Fβ that is logged.
        threshold: the probability that a pair must reach; if none does, the deepest pair is chosen.
        exclusive: whether the probabilities of the pairs sum to 1. If so, only the chosen pair counts as predicted;
            otherwise all pairs that reach the threshold do.

    Raises:
        ValueError: *task* is another task.
    """

    def __init__(self, task: FairseqTask, name: str, beta: float, threshold: float, exclusive: bool) -> None:
        super().__init__(task)
        if getattr(task, "labels", None) is None:
            raise ValueError(f"--criterion {name}: expected --task depth_selection, given {type(task).__name__}")
        self.beta, self.threshold, self.exclusive = beta, threshold, exclusive
        self.deepest = task.labels.deepest  # index of the deepest pair
        self.from_fastest = torch.tensor(from_fastest(task.labels.pairs))  # pairs: their indices, fastest first
        self.relative_seconds = torch.as_tensor(task.labels.relative_seconds, dtype=torch.float64)  # pairs

    def move_labels(self, device: torch.device) -> None:
        """Move the order and the times of the pairs to *device*.

        They are not buffers: ``--fp16`` would round buffers, and checkpoints would save them.
        """
        self.from_fastest = self.from_fastest.to(device)
        self.relative_seconds = self.relative_seconds.to(device)

    def losses(self, logits: Tensor, sample: Sample) -> Tensor:
        """Compute the loss of each sentence.

        Args:
            logits: batch × pairs, in single precision.
            sample: the batch, with ``target`` and ``scores`` of batch × pairs.

        Returns:
            batch.
        """
        raise NotImplementedError

    def forward(
        self, model: nn.Module, sample: Sample, reduce: bool = True
    ) -> Tuple[Tensor, int, Dict[str, Any]]:
        """Return the loss of a batch, the number of sentences to divide it by, and the logging output."""
        logits = model(**sample["net_input"]).float()  # batch × pairs
        self.move_labels(logits.device)
        loss = self.losses(logits, sample).sum()
        sentences = sample["nsentences"]
        logging_output = {
            "loss": loss.data,
            "ntokens": sample["ntokens"],
            "nsentences": sentences,
            "sample_size": sentences,
            **self.measured(logits.detach(), sample),
        }
        return loss, sentences, logging_output

    def measured(self, logits: Tensor, sample: Sample) -> Dict[str, Tensor]:
        """The values to log for a batch: sums over its sentences, in double precision.

        Args:
            logits: batch × pairs.
            sample: the batch, with ``target`` and ``scores`` of batch × pairs.
        """
        best, scores = sample["target"].double(), sample["scores"].double()  # batch × pairs
        outputs = probabilities(logits, self.exclusive)  # batch × pairs
        chosen = choose(outputs, self.threshold, self.deepest)  # batch: indices of pairs
        oracle = fastest_of_best(best, self.from_fastest)  # batch: indices of pairs
        seconds = self.relative_seconds

        if self.exclusive:
            predicted = torch.zeros_like(best).scatter_(1, chosen[:, None], 1)  # batch × pairs, one-hot
        else:
            predicted = (outputs >= self.threshold).double()
        hits, squared = (predicted * best).sum(), self.beta**2
        return {
            "quality": _picked(scores, chosen).sum(),
            "quality_deepest": scores[:, self.deepest].sum(),
            "quality_oracle": _picked(scores, oracle).sum(),
            "cost": seconds[chosen].sum(),
            "cost_oracle": seconds[oracle].sum(),
            "true_positives": hits,
            "predicted": predicted.sum(),
            "positives": best.sum(),
            "weighted_true_positives": (1 + squared) * hits,  # divided by the next value: Fβ
            "weighted_decisions": squared * best.sum() + predicted.sum(),
        }

    def metric_names(self, model: nn.Module) -> List[str]:
        """The names of the values that validation logs."""
        return ["loss", *_MEANS, *_RATIOS]

    @classmethod
    def reduce_metrics(cls, logging_outputs: List[Dict[str, Any]]) -> None:
        """Log the values of all workers together."""
        sums = logged_sums(logging_outputs)
        sentences = sums["sample_size"]
        for key in ("loss", *_MEANS):
            metrics.log_scalar(key, mean(sums[key], sentences), sentences, round=4)
        for key in _COUNTS:
            metrics.log_scalar_sum(f"_{key}", sums[key])
        for key, (numerator, denominator) in _RATIOS.items():
            metrics.log_derived(key, _ratio(f"_{numerator}", f"_{denominator}"))

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """True: all workers log the same keys, so fairseq sums them with a single all-reduce."""
        return True


def _picked(scores: Tensor, columns: Tensor) -> Tensor:
    """The score of one pair per sentence, batch, from *scores* of batch × pairs."""
    return scores.gather(1, columns[:, None]).squeeze(1)


def _ratio(numerator: str, denominator: str) -> Callable[[Any], float]:
    """A function of fairseq's meters: the ratio of two logged sums; 0 where nothing is counted (no predictions)."""

    def of_sums(meters: Any) -> float:
        below = float(meters[denominator].sum)
        return round(float(meters[numerator].sum) / below, 4) if below else 0.0

    return of_sums
