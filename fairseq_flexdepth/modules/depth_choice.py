"""From a selector's outputs to the depth pair it decides for (tied_multi §4.2 and §4.3)."""

import torch
from torch import Tensor


def probabilities(logits: Tensor, exclusive: bool) -> Tensor:
    """What the decision is made on, batch × pairs in fp32.

    Args:
        logits: batch × pairs.
        exclusive: whether the pairs share a probability of 1 (softmax), or each has one of its own (sigmoid).
    """
    return torch.softmax(logits.float(), dim=1) if exclusive else torch.sigmoid(logits.float())


def choose(outputs: Tensor, threshold: float, deepest: int) -> Tensor:
    """The column of the highest output, or *deepest* where no output reaches the threshold.

    Args:
        outputs: batch × pairs.
        threshold: from 0 to 1; 0 never falls back.
        deepest: the column of the deepest pair.

    Returns:
        batch, integers.
    """
    highest, column = outputs.max(dim=1)
    return torch.where(highest >= threshold, column, torch.full_like(column, deepest))
