"""The label-smoothed cross-entropy of a chunk of rows, one torch operation after another (``--loss-backend eager``)."""

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.chunks import Chunk, add_gradients
from fairseq_flexdepth.modules.losses.label_smoothing import Smoothing, add_single, smoothed_terms


def chunk_losses(chunk: Chunk, logit_sums: Tensor, weight_sum: Tensor, smoothing: Smoothing) -> Tensor:
    """Add the gradients of one chunk; return its losses and negative log-likelihoods, 2 × rows.

    Args:
        chunk: its logits, rows × vocabulary, to be overwritten.
        logit_sums: rows, Σ_v logit(v).
        weight_sum: channels, the sum of the projection over the vocabulary.
        smoothing: the target distribution.
    """
    _, weight, target, row_weights = chunk.rows
    single = weight.dtype == torch.float32
    index = target.unsqueeze(1)  # rows × 1
    target_logits = chunk.logits.gather(1, index).squeeze(1).float()  # rows
    if single:
        largest = chunk.logits.amax(dim=1, keepdim=True)  # rows × 1
        exponentials = chunk.logits.sub_(largest).exp_()  # rows × vocabulary, in the same memory
        partition = exponentials.sum(dim=1)  # rows
        log_partition = largest.squeeze(1) + partition.log()  # rows
    else:
        largest, words = chunk.logits.max(dim=1, keepdim=True)  # rows × 1
        exponentials = torch.softmax(chunk.logits, dim=1, dtype=torch.float32)  # rows × vocabulary: p
        # At least 1 / V, so its logarithm is exact enough to find log Z by.
        log_partition = (largest.float() - exponentials.gather(1, words).log()).squeeze(1)  # rows
    if any(gradient is not None for gradient in chunk.gradients):
        if single:
            exponentials.scatter_add_(1, index, (-smoothing.on_target * partition).unsqueeze(1))
            add_single(chunk, exponentials, row_weights / partition, smoothing, weight_sum)
        else:
            factors = row_weights.unsqueeze(1)  # rows × 1
            gradient = torch.addcmul(-smoothing.uniform * factors, exponentials, factors, out=exponentials)
            gradient.scatter_add_(1, index, -smoothing.on_target * factors)  # rows × vocabulary
            add_gradients(chunk, gradient)
    return smoothed_terms(log_partition, target_logits, logit_sums, smoothing)
