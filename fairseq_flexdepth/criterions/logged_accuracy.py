"""Accuracy in the logs, ``--report-accuracy``: the share of target tokens that are the most probable words."""

from functools import partial
from typing import Any, Dict

from fairseq.logging import metrics

from fairseq_flexdepth.depth.supported_depths import DepthPair, depth_suffix

_OF_A_PAIR = "n_correct_"


def accuracy_key(pair: DepthPair) -> str:
    """The key under which the accuracy of a depth pair is logged: ``accuracy_e<n>d<m>``."""
    return f"accuracy_{depth_suffix(pair)}"


def correct_key(pair: DepthPair) -> str:
    """The key of the number of correct tokens of a depth pair in a logging output: ``n_correct_e<n>d<m>``."""
    return f"{_OF_A_PAIR}{depth_suffix(pair)}"


def log_accuracies(sums: Dict[str, float]) -> None:
    """Log the accuracy in percent, as fairseq's ``label_smoothed_cross_entropy`` does, and that of each depth pair.

    Args:
        sums: sums over all workers: ``total`` tokens, and the numbers of correct ones.
    """
    if "total" not in sums:
        return
    metrics.log_scalar("total", sums["total"])
    metrics.log_scalar("n_correct", sums["n_correct"])
    metrics.log_derived("accuracy", partial(_percent, "n_correct"))
    for key in sums:
        if key.startswith(_OF_A_PAIR):
            metrics.log_scalar(f"_{key}", sums[key])  # fairseq prints no value whose name begins with _
            metrics.log_derived(f"accuracy_{key[len(_OF_A_PAIR):]}", partial(_percent, f"_{key}"))


def _percent(correct: str, meters: Dict[str, Any]) -> float:
    total = meters["total"].sum
    return round(meters[correct].sum * 100.0 / total, 3) if total > 0 else float("nan")
