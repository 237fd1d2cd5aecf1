"""The choice of a depth pair from the outputs of a selector ([dabre2020] §4.2, §4.3)."""

import torch
from torch import Tensor


def probabilities(logits: Tensor, exclusive: bool) -> Tensor:
    """The probability of each depth pair.

    Args:
        logits: batch × pairs.
        exclusive: whether the probabilities of a sentence sum to 1 (softmax) or are independent (sigmoid).

    Returns:
        Batch × pairs, in single precision.
    """
    return torch.softmax(logits.float(), dim=1) if exclusive else torch.sigmoid(logits.float())


def choose(outputs: Tensor, threshold: float, deepest: int) -> Tensor:
    """Choose the depth pair of the highest output, or the deepest pair where no output reaches the threshold.

    Args:
        outputs: batch × pairs.
        threshold: from 0 to 1; with 0 the deepest pair is never the fallback.
        deepest: the index of the deepest pair.

    Returns:
        Batch, the index of the chosen pair per sentence.
    """
    highest, chosen = outputs.max(dim=1)  # batch each
    return torch.where(highest >= threshold, chosen, torch.full_like(chosen, deepest))
