"""Output projection and label-smoothed cross-entropy in one, one chunk of rows at a time (see ``chunks.py``)."""

from functools import partial
from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.chunks import Chunk, FeatureRows, Gradients, loss_in_chunks, projected_loss
from fairseq_flexdepth.modules.losses.half_products import add_product


class LinearCrossEntropy(NamedTuple):
    """The weighted sum over all rows, and the losses of each row; only the sum carries a gradient."""

    loss: Tensor  # scalar
    row_losses: Tensor  # rows: label-smoothed cross-entropy
    row_nll_losses: Tensor  # rows: negative log-likelihood
    row_correct: Optional[Tensor] = None  # rows: 1 where the target is the most probable word, else 0


def linear_cross_entropy(rows: FeatureRows, label_smoothing: float, accuracy: bool = False) -> LinearCrossEntropy:
    """Σ over rows of ``row_weights`` × fairseq's ``label_smoothed_nll_loss`` of ``features · weightᵀ``.

    As in fairseq, the target class has the probability 1 − ε, and every other class ε / (vocabulary − 1).

    Args:
        rows: features (rows × channels), projection (vocabulary × channels), targets and weights (rows).
        label_smoothing: ε, 0 to 1.
        accuracy: also find the rows whose most probable word is the target, from the same logits.

    Returns:
        The loss in nats, in single precision. Its backward pass can run once.

    Example:
        >>> features = torch.randn(20, 8, requires_grad=True)  # 20 target words, 8 channels
        >>> weight = torch.randn(100, 8, requires_grad=True)  # a vocabulary of 100 words
        >>> rows = FeatureRows(features, weight, torch.randint(100, (20,)), torch.ones(20))
        >>> result = linear_cross_entropy(rows, label_smoothing=0.1)
        >>> result.loss.backward()
        >>> features.grad.shape, result.row_losses.shape
        (torch.Size([20, 8]), torch.Size([20]))
    """
    return LinearCrossEntropy(*projected_loss(rows, partial(_form, label_smoothing=label_smoothing, accuracy=accuracy)))


def _form(rows: FeatureRows, gradients: Gradients, label_smoothing: float, accuracy: bool) -> Tensor:
    """Accumulate the gradients of all rows in *gradients*; return what :func:`_chunk_losses` does, terms × rows."""
    features, weight, _, row_weights = rows
    weight_sum = weight.sum(dim=0, dtype=torch.float32)  # channels
    of_chunk = partial(_chunk_losses, weight_sum=weight_sum, label_smoothing=label_smoothing, accuracy=accuracy)
    row_terms = loss_in_chunks(rows, gradients, of_chunk, terms=3 if accuracy else 2)  # terms × rows
    if gradients.weight is not None and label_smoothing > 0 and weight.dtype == torch.float32:
        # The uniform part of the smoothed target is the same for every class: one vector, subtracted once.
        uniform = label_smoothing / (weight.size(0) - 1)
        gradients.weight.sub_(uniform * (row_weights @ features.float()))  # channels, from the row of each class
    return row_terms


def _chunk_losses(chunk: Chunk, weight_sum: Tensor, label_smoothing: float, accuracy: bool) -> Tensor:
    """Add the gradients of one chunk; return its losses and negative log-likelihoods, 2 × rows.

    The softmax overwrites the logits.

    Args:
        chunk: its logits, rows × vocabulary.
        weight_sum: channels, the sum of the projection over the vocabulary.
        label_smoothing: ε.
        accuracy: also return 1 for each row whose most probable word is the target, else 0: 3 × rows.
    """
    features, weight, target, _ = chunk.rows
    classes = weight.size(0)
    uniform = label_smoothing / (classes - 1)  # the probability of a class that is not the target
    on_target = 1.0 - label_smoothing - uniform  # what the target class has beyond that
    index = target.unsqueeze(1)  # rows × 1
    logits = chunk.logits  # rows × vocabulary
    target_logits = logits.gather(1, index).squeeze(1)  # rows
    largest, correct = largest_logits(logits, index, accuracy)  # rows × 1
    exponentials = logits.sub_(largest).exp_()  # rows × vocabulary, in the same memory
    partition = exponentials.sum(dim=1)  # rows
    log_partition = largest.squeeze(1) + partition.log()  # rows
    losses = nll_losses = log_partition - target_logits  # rows
    if label_smoothing > 0:
        # Σ_v log p(v) = Σ_v logit(v) − V · log Z, where Σ_v logit(v) needs no pass over the vocabulary.
        smooth_losses = classes * log_partition - features.float() @ weight_sum  # rows
        losses = on_target * nll_losses + uniform * smooth_losses
    if any(gradient is not None for gradient in chunk.gradients):
        # d loss / d logits = p − (1 − ε − ε/(V−1)) · onehot − ε/(V−1), where p = exponentials / partition.
        if weight.dtype == torch.float32:
            _add_single(chunk, exponentials, partition, on_target, uniform, weight_sum)
        else:
            _add_half(chunk, exponentials, partition, on_target, uniform)
    return torch.stack([losses, nll_losses, *correct])  # terms × rows


def largest_logits(logits: Tensor, index: Tensor, accuracy: bool) -> Tuple[Tensor, List[Tensor]]:
    """The largest logit of each row; with *accuracy*, also whether it is the target's.

    Args:
        logits: rows × vocabulary.
        index: rows × 1, word indices.
        accuracy: whether to look for the largest logit's word, which takes longer.

    Returns:
        Rows × 1; and a list of ``rows`` values, 1 where the most probable word is the target, else 0, or an empty list.
    """
    if not accuracy:
        return logits.amax(dim=1, keepdim=True), []
    largest, words = logits.max(dim=1, keepdim=True)  # rows × 1
    return largest, [words.eq(index).squeeze(1).to(logits.dtype)]  # rows


def _add_single(
    chunk: Chunk, exponentials: Tensor, partition: Tensor, on_target: float, uniform: float, weight_sum: Tensor
) -> None:
    """Add the gradients of a chunk in single precision.

    The division by the partition is left to the smaller factor of each product, and the uniform part to a rank-one
    correction (here for the features, in :func:`_form` for the weight). Half precision would round what they cancel.
    """
    features, weight, target, row_weights = chunk.rows
    unnormalised = exponentials.scatter_add_(1, target.unsqueeze(1), (-on_target * partition).unsqueeze(1))
    scale = (row_weights / partition).unsqueeze(1)  # rows × 1
    if chunk.gradients.features is not None:
        uniform_part = (uniform * row_weights).outer(weight_sum)  # rows × channels
        torch.sub((unnormalised @ weight) * scale, uniform_part, out=chunk.gradients.features)
    if chunk.gradients.weight is not None:
        chunk.gradients.weight.addmm_(unnormalised.t(), features * scale)  # vocabulary × channels


def _add_half(chunk: Chunk, exponentials: Tensor, partition: Tensor, on_target: float, uniform: float) -> None:
    """Add the gradients of a chunk whose features and weight are in half precision."""
    features, weight, target, row_weights = chunk.rows
    factors = row_weights.unsqueeze(1)  # rows × 1
    gradient = torch.addcmul(-uniform * factors, exponentials, factors / partition.unsqueeze(1), out=exponentials)
    gradient.scatter_add_(1, target.unsqueeze(1), -on_target * factors)  # rows × vocabulary
    if chunk.gradients.features is not None:
        add_product(chunk.gradients.features, gradient, weight, chunk.room)
    if chunk.gradients.weight is not None:
        add_product(chunk.gradients.weight, gradient.t(), features, chunk.room.t())
