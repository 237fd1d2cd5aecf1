"""The loss of an adaptive softmax ([grave2017]), one chunk of rows at a time.

An adaptive softmax has a head with the most frequent words and one class per band of rarer words, and a tail per band.
A word in a band costs the loss of its class in the head and its own loss in the tail. Head and tails are fairseq's
modules. Where their logits take more than one chunk, a chunk's logits are not kept but computed again in the backward
pass, in which gradients have their loss scale: small ones do not vanish in half precision.
"""

from typing import Any, Callable, List, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fairseq_flexdepth.modules.losses.chunks import row_chunks
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients


class AdaptiveCrossEntropy(NamedTuple):
    """The weighted sum over all rows, and the loss of each row; only the sum carries a gradient."""

    loss: Tensor  # scalar
    row_losses: Tensor  # rows
    row_nll_losses: Tensor  # rows: the same values


def adaptive_cross_entropy(softmax: Any, features: Tensor, target: Tensor, row_weights: Tensor) -> AdaptiveCrossEntropy:
    """Σ over rows of ``row_weights`` × the negative log-likelihood.

    fairseq's ``adaptive_loss`` is the same without the second word of each band, whose index there is the padding's.
    Parameters of tails that no target word belongs to get zero gradients.

    Args:
        softmax: fairseq's AdaptiveSoftmax.
        features: rows × channels.
        target: rows, word indices without padding.
        row_weights: rows, the factor of each row in the loss.

    Returns:
        The loss in nats, in single precision.
    """
    inputs = softmax.dropout_module(features)  # rows × channels
    targets, rows_of_tails = softmax.adapt_target(target)  # the head's targets, then each tail's; each tail's rows
    losses = _losses_in_chunks(softmax.head, inputs, targets[0], softmax.cutoff[0] + len(softmax.tail))  # rows
    unused: List[nn.Parameter] = []
    for band, (tail, rows) in enumerate(zip(softmax.tail, rows_of_tails)):
        if rows is None:
            unused += tail.parameters()
            continue
        words = softmax.cutoff[band + 1] - softmax.cutoff[band]
        of_tail = _losses_in_chunks(tail, inputs.index_select(0, rows), targets[band + 1], words)  # rows of the tail
        losses = losses.index_add(0, rows, of_tail)  # rows
    loss = with_zero_gradients((losses * row_weights.float()).sum(), unused)
    return AdaptiveCrossEntropy(loss, losses.detach(), losses.detach())


def _losses_in_chunks(project: Callable[[Tensor], Tensor], inputs: Tensor, target: Tensor, classes: int) -> Tensor:
    """The cross-entropy of each row, in single precision.

    Args:
        project: turns rows × channels into logits, rows × *classes*.
        inputs: rows × channels.
        target: rows, class indices.
        classes: the number of classes.
    """

    def of_chunk(rows: Tensor, words: Tensor) -> Tensor:
        return nn.functional.cross_entropy(project(rows).float(), words, reduction="none")

    chunks = list(row_chunks(len(inputs), classes, inputs.device))
    if len(chunks) <= 1:  # none: a batch without words
        return of_chunk(inputs, target)
    return torch.cat([checkpoint(of_chunk, inputs[place], target[place], use_reentrant=False) for place in chunks])
