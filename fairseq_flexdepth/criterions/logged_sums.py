"""Logging outputs of criterions: sums over the workers, and the means that fairseq logs."""

import math
import re
from collections import defaultdict
from typing import Any, Dict, Sequence

import torch
from fairseq import utils
from fairseq.logging import metrics
from torch import Tensor

from fairseq_flexdepth.depth.supported_depths import DEPTH_SUFFIX, DepthPair, depth_suffix

OF_A_PAIR = re.compile(rf"nll_{DEPTH_SUFFIX}")  # the keys of pair_key


def logged_sums(logging_outputs: Sequence[Dict[str, Any]]) -> Dict[str, float]:
    """Sum each logged value over *logging_outputs*; a key that none of them has is 0.

    All tensors are copied from the device at once: each copy waits for the device.

    Args:
        logging_outputs: one per worker, of numbers and scalar tensors, all on one device.
    """
    sums: Dict[str, float] = defaultdict(float)
    tensors: Dict[str, Tensor] = {}
    for output in logging_outputs:
        for key, value in output.items():
            if not torch.is_tensor(value):
                sums[key] += value
            else:
                tensors[key] = tensors.get(key, 0.0) + value.double()  # thousands of tokens exceed float16
    if tensors:
        scalars = torch.stack([tensor.reshape(()) for tensor in tensors.values()])  # keys
        for key, value in zip(tensors, scalars.tolist()):
            sums[key] += value
    return sums


def mean(total: float, count: float) -> float:
    """*total* / *count*; 0 where *count* is 0, as in a batch whose sentence weights are all 0."""
    return total / count if count else 0.0


def counted_tokens(sums: Dict[str, float]) -> float:
    """The number of target tokens in the logged *sums*, weighted by sentence if the data has sentence weights."""
    return sums["weighted_tokens"] if "weighted_tokens" in sums else sums["ntokens"]


def pair_key(pair: DepthPair) -> str:
    """The key of a depth pair's negative log-likelihood in the log."""
    return f"nll_{depth_suffix(pair)}"


def log_cross_entropies(sums: Dict[str, float]) -> None:
    """Log loss, negative log-likelihoods and perplexity in bits, as fairseq's own criterions do.

    Args:
        sums: sums of losses in nats over the target tokens of all workers, also under the keys of :func:`pair_key`.
    """
    sample_size, tokens = sums["sample_size"], counted_tokens(sums)
    metrics.log_scalar("loss", mean(sums["loss"], sample_size) / math.log(2), sample_size, round=3)
    metrics.log_scalar("nll_loss", mean(sums["nll_loss"], tokens) / math.log(2), tokens, round=3)
    metrics.log_derived("ppl", lambda meters: utils.get_perplexity(meters["nll_loss"].avg))
    for key in sums:
        if OF_A_PAIR.fullmatch(key):
            metrics.log_scalar(key, mean(sums[key], tokens) / math.log(2), tokens, round=3)
