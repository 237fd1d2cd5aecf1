"""The mixture of cross-entropy and word-level distillation, one chunk of rows at a time (see ``chunks.py``).

    hard · (label-smoothed cross-entropy) + soft · T² · (− Σ_v q_T(v) · log p_T(v))

where q is the teacher's distribution, p the student's, and T is the temperature of both ([kim2016] §2.2, §3.1;
[wu2020] Eq. 2; [hinton2015] §2 for T²). Gradients are formed in the forward pass and overwrite the logits.
"""

from functools import partial
from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.chunks import (
    Chunk,
    FeatureRows,
    Gradients,
    WeightedSum,
    add_gradients,
    correct_rows,
    loss_in_chunks,
    projected_loss,
    row_chunks,
)
from fairseq_flexdepth.modules.losses.soft_targets import Rows, SoftTargets


class Mixture(NamedTuple):
    """The objective of a student: the weights of its two losses, and their settings."""

    hard: float  # weight of the cross-entropy
    soft: float  # weight of the distillation
    label_smoothing: float = 0.0  # ε of the cross-entropy, as in fairseq
    temperature: float = 1.0


class DistilledCrossEntropy(NamedTuple):
    """The weighted sum over all rows, and the losses of each row; only the sum carries a gradient."""

    loss: Tensor  # scalar
    row_losses: Tensor  # rows: the mixture
    row_nll_losses: Tensor  # rows: negative log-likelihood
    row_soft_losses: Tensor  # rows: T² · the cross-entropy to the teacher
    row_correct: Optional[Tensor] = None  # rows: 1 where the target is the student's most probable word, else 0


def distilled_cross_entropy(
    logits: Tensor, target: Tensor, row_weights: Tensor, teacher: SoftTargets, mixture: Mixture
) -> DistilledCrossEntropy:
    """Σ over rows of ``row_weights`` × the mixture, from *logits*.

    Args:
        logits: rows × vocabulary.
        target: rows, word indices.
        row_weights: rows, the factor of each row in the sum; 0 for padding.
        teacher: its distributions for the same rows.
        mixture: the objective.

    Returns:
        The losses in nats, in single precision. The backward pass can run once.

    Example:
        >>> logits = torch.randn(20, 100, requires_grad=True)  # 20 target words, a vocabulary of 100
        >>> teacher = soft_targets(torch.randn(20, 100), temperature=2.0)
        >>> mixture = Mixture(hard=0.5, soft=0.5, label_smoothing=0.1, temperature=2.0)
        >>> result = distilled_cross_entropy(logits, torch.randint(100, (20,)), torch.ones(20), teacher, mixture)
        >>> result.loss.backward()
    """
    wanted = torch.is_grad_enabled() and logits.requires_grad
    weights = row_weights.float()

    def form() -> Tuple[Tensor, Tuple[Optional[Tensor]]]:
        # In single precision until the loss is scaled (fp16): small gradients would vanish before.
        gradient = torch.empty_like(logits, dtype=torch.float32) if wanted else None  # rows × vocabulary
        row_terms = weights.new_empty(3, len(weights))
        for rows in row_chunks(logits.size(0), logits.size(1), logits.device):
            room = gradient[rows] if gradient is not None else torch.empty_like(logits[rows], dtype=torch.float32)
            scores = room.copy_(logits[rows])  # rows × vocabulary
            row_terms[:, rows] = _into_gradient(scores, target[rows], teacher.rows(rows), mixture)
            scores.mul_(weights[rows].unsqueeze(1))
        return row_terms, (gradient,)

    return DistilledCrossEntropy(*WeightedSum.apply(form, weights, logits))


def distilled_linear_cross_entropy(
    rows: FeatureRows, teacher: SoftTargets, teacher_rows: Tensor, mixture: Mixture, accuracy: bool = False
) -> DistilledCrossEntropy:
    """Σ over rows of ``row_weights`` × the mixture, from ``features · weightᵀ``.

    Only a chunk of these logits exists at a time, as in :func:`linear_cross_entropy`.

    Args:
        rows: features (rows × channels), projection (vocabulary × channels), targets and weights (rows).
        teacher: its distributions.
        teacher_rows: rows, the index of the teacher's distribution for each row.
        mixture: the objective.
        accuracy: also find the rows whose most probable word is the target, from the same logits.

    Returns:
        The losses in nats, in single precision. The backward pass can run once.

    Example:
        >>> features, weight = torch.randn(20, 8, requires_grad=True), torch.randn(100, 8, requires_grad=True)
        >>> rows = FeatureRows(features, weight, torch.randint(100, (20,)), torch.ones(20))
        >>> teacher = soft_targets(torch.randn(10, 100))  # 10 target words, each in two rows
        >>> of_teacher = torch.arange(10).repeat(2)
        >>> distilled_linear_cross_entropy(rows, teacher, of_teacher, Mixture(0.5, 0.5)).loss.backward()
    """

    def form(cast: FeatureRows, gradients: Gradients) -> Tensor:
        of_chunk = partial(
            _chunk_losses, teacher=teacher, teacher_rows=teacher_rows, mixture=mixture, accuracy=accuracy
        )
        return loss_in_chunks(cast, gradients, of_chunk, terms=4 if accuracy else 3)  # terms × rows

    return DistilledCrossEntropy(*projected_loss(rows, form))


def _chunk_losses(
    chunk: Chunk, teacher: SoftTargets, teacher_rows: Tensor, mixture: Mixture, accuracy: bool
) -> Tensor:
    """Add the gradients of one chunk; return its terms as :func:`_into_gradient` does, terms × rows."""
    _, _, target, row_weights = chunk.rows
    own_teacher = teacher.rows(teacher_rows[chunk.place])  # rows × vocabulary, or rows × k
    correct = correct_rows(chunk) if accuracy else []  # first, since the gradient overwrites the logits
    scores = chunk.logits.float()  # rows × vocabulary
    row_terms = _into_gradient(scores, target, own_teacher, mixture)  # 3 × rows
    add_gradients(chunk, scores.mul_(row_weights.unsqueeze(1)))
    return torch.cat([row_terms, *correct])


def _into_gradient(scores: Tensor, target: Tensor, teacher: Rows, mixture: Mixture) -> Tensor:
    """Compute the losses of some rows and overwrite their logits with the gradient.

    Args:
        scores: the logits, rows × vocabulary, to be overwritten with the gradient of the mixture, row by row.
        target: rows.
        teacher: the distributions of these rows.
        mixture: the objective.

    Returns:
        The mixture, the negative log-likelihood and the soft loss of each row, 3 × rows.
    """
    hard, soft, smoothing, temperature = mixture
    classes, index = scores.size(1), target.unsqueeze(1)  # index: rows × 1
    uniform = smoothing / (classes - 1)  # the probability of a word that is not the target
    on_target = 1.0 - smoothing - uniform  # what the target has beyond that
    # All that needs the logits comes first: the softmax overwrites them.
    target_scores = scores.gather(1, index).squeeze(1)  # rows
    sums = scores.sum(dim=1) if uniform > 0 else 0.0  # rows
    expected = teacher.expectation(scores)  # rows: Σ_v q(v) · score(v)
    softened = None
    if temperature != 1:
        softened = scores / temperature  # rows × vocabulary
        softened_log_partition = softened.logsumexp(dim=1)  # rows
        softened.sub_(softened_log_partition.unsqueeze(1)).exp_()  # rows × vocabulary: p_T
    largest = scores.amax(dim=1, keepdim=True)  # rows × 1
    partition = scores.sub_(largest).exp_().sum(dim=1)  # rows; scores are now p · partition
    log_partition = largest.squeeze(1) + partition.log()  # rows
    nll_losses = log_partition - target_scores  # rows
    # fairseq's smoothing: epsilon is spread over the V - 1 other words. Σ_v log p(v) = Σ_v score(v) - V · log Z.
    losses = hard * (on_target * nll_losses + uniform * (classes * log_partition - sums))
    # d losses / d score(v) = hard · (p(v) − smoothed target(v)) + soft · T · (p_T(v) − q_T(v))
    if softened is None:  # p_T = p
        soft_losses = log_partition - expected  # rows
        scores.mul_(((hard + soft) / partition).unsqueeze(1))
    else:
        soft_losses = temperature**2 * softened_log_partition - temperature * expected
        scores.mul_((hard / partition).unsqueeze(1)).add_(softened, alpha=soft * temperature)
    if hard > 0:
        scores.sub_(hard * uniform)
        scores.scatter_add_(1, index, scores.new_full((1, 1), -hard * on_target).expand_as(index))
    teacher.subtract_from(scores, soft * temperature)
    return torch.stack([losses + soft * soft_losses, nll_losses, soft_losses])  # 3 × rows
