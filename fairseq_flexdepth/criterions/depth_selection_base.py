"""What the objectives of depth selectors log: how well they classify, and what their choices are worth and cost."""

from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.criterions import FairseqCriterion
from fairseq.logging import metrics
from torch import Tensor

from fairseq_flexdepth.criterions.logged_sums import logged_sums, mean
from fairseq_flexdepth.depth.space import from_fastest
from fairseq_flexdepth.modules.depth_choice import choose, probabilities

# means over sentences
_MEANS = ("quality", "quality_deepest", "quality_oracle", "cost", "cost_oracle")
# sums over all decisions, a sentence and a pair each
_COUNTS = ("true_positives", "predicted", "positives", "weighted_true_positives", "weighted_decisions")
_RATIOS = {
    "precision": ("true_positives", "predicted"),
    "recall": ("true_positives", "positives"),
    "f_beta": ("weighted_true_positives", "weighted_decisions"),
}


class DepthSelectionCriterion(FairseqCriterion):
    """Base of the depth selectors' objectives: the loss is a sum over sentences, whose number it is divided by.

    Logged are precision, recall and Fβ over all decisions, a sentence and a pair each, and of the pairs chosen:
    ``quality``, their mean score, beside that of always the deepest pair and that of the oracle (tied_multi, Eq. 1:
    the fastest of the best); ``cost``, their mean time in proportion to the deepest's, beside the oracle's.

    Args:
        task: the selection task, with the training labels.
        name: the criterion's.
        beta: β of the Fβ that is logged.
        threshold: what an output must reach; the deepest pair is chosen where none does.
        exclusive: whether the pairs share a probability of 1. Then the chosen pair alone counts as predicted;
            otherwise all that reach the threshold do.
    """

    def __init__(self, task: Any, name: str, beta: float, threshold: float, exclusive: bool) -> None:
        super().__init__(task)
        if getattr(task, "labels", None) is None:
            raise ValueError(f"--criterion {name}: expected --task depth_selection, given {type(task).__name__}")
        self.beta, self.threshold, self.exclusive = beta, threshold, exclusive
        self.deepest = task.labels.deepest
        self.from_fastest = torch.tensor(from_fastest(task.labels.pairs))
        self.relative_seconds = torch.as_tensor(task.labels.relative_seconds, dtype=torch.float64)

    def move_labels(self, device: torch.device) -> None:
        """Keep what is known of the pairs on *device*; as buffers ``--fp16`` would halve it, ``--save-dir`` keep it."""
        self.from_fastest = self.from_fastest.to(device)
        self.relative_seconds = self.relative_seconds.to(device)

    def losses(self, logits: Tensor, sample: Dict[str, Any]) -> Tensor:
        """The loss of each sentence: batch, from logits of batch × pairs in fp32."""
        raise NotImplementedError

    def forward(
        self, model: Any, sample: Dict[str, Any], reduce: bool = True
    ) -> Tuple[Tensor, int, Dict[str, Any]]:
        """The loss, the sample size it is to be divided by, and what to log."""
        logits = model(**sample["net_input"]).float()
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

    def measured(self, logits: Tensor, sample: Dict[str, Any]) -> Dict[str, Tensor]:
        """What is logged of the outputs: sums, in double precision."""
        best, scores = sample["target"].double(), sample["scores"].double()  # batch × pairs
        outputs = probabilities(logits, self.exclusive)
        chosen = choose(outputs, self.threshold, self.deepest)
        oracle = self.from_fastest[best[:, self.from_fastest].argmax(dim=1)]
        seconds = self.relative_seconds

        if self.exclusive:
            predicted = torch.zeros_like(best).scatter_(1, chosen[:, None], 1)
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
            "weighted_true_positives": (1 + squared) * hits,  # over the next one: Fβ
            "weighted_decisions": squared * best.sum() + predicted.sum(),
        }

    def metric_names(self, model: Any) -> List[str]:
        """What validation logs."""
        return ["loss", *_MEANS, *_RATIOS]

    @classmethod
    def reduce_metrics(cls, logging_outputs: List[Dict[str, Any]]) -> None:
        """Aggregate what data-parallel workers logged."""
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
        """Every worker logs the same keys, so that they can be summed by one all-reduce."""
        return True


def _picked(scores: Tensor, columns: Tensor) -> Tensor:
    return scores.gather(1, columns[:, None]).squeeze(1)


def _ratio(numerator: str, denominator: str) -> Callable[[Any], float]:
    """Of two sums; 0 where nothing is counted, as a precision without predictions."""

    def of_sums(meters: Any) -> float:
        below = float(meters[denominator].sum)
        return round(float(meters[numerator].sum) / below, 4) if below else 0.0

    return of_sums
