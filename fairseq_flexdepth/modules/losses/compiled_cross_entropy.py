"""The label-smoothed cross-entropy of a chunk of rows, compiled by torch (``--loss-backend compiled``).

Its kernels read the logits twice or three times and write the rounded gradient, but nothing else of the chunk's size.
By count that moves 12 bytes per logit in bfloat16 (28 by the eager chunk), 20 in float16 (42) and 24 in single
precision (36), matrix products included.
"""

from functools import lru_cache
from typing import Any, Callable, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses import eager_cross_entropy
from fairseq_flexdepth.modules.losses.chunks import Chunk
from fairseq_flexdepth.modules.losses.half_products import Rounded, add_rounded_product, rounded
from fairseq_flexdepth.modules.losses.label_smoothing import Smoothing, add_single, smoothed_terms


@lru_cache(maxsize=None)
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """*function*, compiled once for all numbers of rows."""
    return torch.compile(function, dynamic=True)


def chunk_losses(chunk: Chunk, logit_sums: Tensor, weight_sum: Tensor, smoothing: Smoothing) -> Tensor:
    """Add the gradients of one chunk; return its losses and negative log-likelihoods, 2 × rows.

    For the arguments see :func:`~fairseq_flexdepth.modules.losses.eager_cross_entropy.chunk_losses`.
    """
    features, weight, target, row_weights = chunk.rows
    if all(gradient is None for gradient in chunk.gradients):  # validation has nothing to fuse
        return eager_cross_entropy.chunk_losses(chunk, logit_sums, weight_sum, smoothing)
    # As tensors: torch would compile Python's numbers in, and reuse the kernels for other numbers.
    on_target, uniform = (row_weights.new_full((), value) for value in (smoothing.on_target, smoothing.uniform))
    if weight.dtype == torch.float32:
        log_partition, target_logits, gradient = _compiled(_single)(chunk.logits, target, on_target)
        add_single(chunk, gradient, row_weights, smoothing, weight_sum)
        return smoothed_terms(log_partition, target_logits, logit_sums, smoothing)
    log_partition, target_logits, of_rows, of_words = _compiled(_half)(
        chunk.logits, target, row_weights, on_target, uniform, weight, features
    )
    if chunk.gradients.features is not None:
        add_rounded_product(chunk.gradients.features, of_rows, weight)
    if chunk.gradients.weight is not None:
        add_rounded_product(chunk.gradients.weight, of_words, features)
    return smoothed_terms(log_partition, target_logits, logit_sums, smoothing)


def _single(logits: Tensor, target: Tensor, on_target: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """The rows' log-partitions and target logits, and p − on_target · onehot, rows × vocabulary."""
    target_logits = logits.gather(1, target.unsqueeze(1)).squeeze(1).float()  # rows
    words = torch.arange(logits.size(1), device=logits.device)  # not a scatter, which would be a pass of its own
    hits = words == target.unsqueeze(1)  # rows × vocabulary
    difference = torch.softmax(logits.float(), dim=1) - torch.where(hits, on_target, 0.0)
    return logits.float().logsumexp(dim=1), target_logits, difference


def _half(
    logits: Tensor,
    target: Tensor,
    row_weights: Tensor,
    on_target: Tensor,
    uniform: Tensor,
    weight: Tensor,
    features: Tensor,
) -> Tuple[Tensor, Tensor, Rounded, Rounded]:
    """The rows' log-partitions and target logits, and the logits' gradient, rounded for each of the two products."""
    log_partition, target_logits, difference = _single(logits, target, on_target)
    gradient = (difference - uniform) * row_weights.unsqueeze(1)  # rows × vocabulary
    if weight.dtype == torch.bfloat16:
        both = gradient.to(weight.dtype)
        return log_partition, target_logits, (both, None), (both.t(), None)
    return log_partition, target_logits, rounded(gradient, weight), rounded(gradient.t(), features)
