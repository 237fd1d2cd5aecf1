"""fairseq's label smoothing of a chunk of rows: its losses, and its gradients in single precision.

The target class has the probability 1 − ε, and every other class ε / (vocabulary − 1). So the gradient of the logits is
p − (1 − ε − ε/(V−1)) · onehot − ε/(V−1).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.chunks import Chunk


class Smoothing(NamedTuple):
    """The smoothed target distribution of every row."""

    classes: int
    uniform: float  # the probability of a class that is not the target
    on_target: float  # what the target class has beyond that


def smoothing_of(label_smoothing: float, classes: int) -> Smoothing:
    """The target distribution of fairseq's ε, for this number of classes."""
    uniform = label_smoothing / (classes - 1)
    return Smoothing(classes, uniform, 1.0 - label_smoothing - uniform)


def smoothed_terms(log_partition: Tensor, target_logits: Tensor, logit_sums: Tensor, smoothing: Smoothing) -> Tensor:
    """The losses and negative log-likelihoods of some rows, 2 × rows.

    Args:
        log_partition: rows, log Σ_v exp(logit(v)).
        target_logits: rows.
        logit_sums: rows, Σ_v logit(v).
        smoothing: the target distribution.
    """
    nll_losses = log_partition - target_logits
    # Σ_v log p(v) = Σ_v logit(v) − V · log Z
    smooth_losses = smoothing.classes * log_partition - logit_sums
    return torch.stack([smoothing.on_target * nll_losses + smoothing.uniform * smooth_losses, nll_losses])


def add_single(chunk: Chunk, unnormalised: Tensor, scale: Tensor, smoothing: Smoothing, weight_sum: Tensor) -> None:
    """Add the gradients of a chunk in single precision, but for the uniform part of the weight's.

    The division by the partition is left to the smaller factor of each product, and the uniform part to a rank-one
    correction: here for the features, in :func:`subtract_uniform` for the weight of all chunks. Half precision would
    round what they cancel.

    Args:
        chunk: the chunk.
        unnormalised: rows × vocabulary, (p − on_target · onehot) · Z.
        scale: rows, the weight of the row in the loss, divided by Z.
        smoothing: the target distribution.
        weight_sum: channels, the sum of the projection over the vocabulary.
    """
    features, weight, _, row_weights = chunk.rows
    column = scale.unsqueeze(1)  # rows × 1
    if chunk.gradients.features is not None:
        uniform_part = (smoothing.uniform * row_weights).outer(weight_sum)  # rows × channels
        torch.sub((unnormalised @ weight) * column, uniform_part, out=chunk.gradients.features)
    if chunk.gradients.weight is not None:
        chunk.gradients.weight.addmm_(unnormalised.t(), features * column)  # vocabulary × channels


def subtract_uniform(gradient: Tensor, features: Tensor, row_weights: Tensor, smoothing: Smoothing) -> None:
    """Subtract the uniform part from the weight's *gradient*: the same vector of channels for every class.

    Args:
        gradient: vocabulary × channels.
        features: rows × channels, of all chunks.
        row_weights: rows.
        smoothing: the target distribution.
    """
    gradient.sub_(smoothing.uniform * (row_weights @ features.float()))
