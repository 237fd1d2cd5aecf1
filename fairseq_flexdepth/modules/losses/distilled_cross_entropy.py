"""The mixture of cross-entropy and word-level distillation, a chunk of rows at a time.

    hard · (label-smoothed cross-entropy) + soft · T² · (− Σ_v q_T(v) · log p_T(v))

where q is the teacher's distribution, p the student's, and T is the temperature of both ([kim2016] §2.2, §3.1;
[wu2020] Eq. 2). As in ``linear_cross_entropy``, gradients are formed in the forward pass, and overwrite the logits
while these are in the processor's cache.
"""

from typing import Any, Iterator, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.compat import explicit_autocast
from fairseq_flexdepth.modules.losses.half_products import add_product
from fairseq_flexdepth.modules.losses.linear_cross_entropy import CHUNK_ELEMENTS, take_saved_gradients
from fairseq_flexdepth.modules.losses.soft_targets import Rows, SoftTargets


class Mixture(NamedTuple):
    """What a student is trained towards."""

    hard: float  # weight of the cross-entropy
    soft: float  # weight of the distillation
    label_smoothing: float = 0.0  # ε of the cross-entropy, as in fairseq
    temperature: float = 1.0


class DistilledCrossEntropy(NamedTuple):
    """The weighted sum over all rows, and every row's own terms (no gradient flows through the latter)."""

    loss: Tensor  # scalar
    row_losses: Tensor  # rows: the mixture
    row_nll_losses: Tensor  # rows: negative log-likelihood
    row_soft_losses: Tensor  # rows: T² · the cross-entropy to the teacher


def distilled_cross_entropy(
    logits: Tensor, target: Tensor, row_weights: Tensor, teacher: SoftTargets, mixture: Mixture
) -> DistilledCrossEntropy:
    """Σ over rows of ``row_weights`` × the mixture, from *logits*.

    Args:
        logits: rows × vocabulary.
        target: rows, word indices.
        row_weights: rows, the factor of each row in the sum; 0 for padding.
        teacher: its distributions for the same rows.
        mixture: what to train towards.
    """
    wanted = torch.is_grad_enabled() and logits.requires_grad
    return DistilledCrossEntropy(
        *_FromLogits.apply(logits, target, row_weights.float(), teacher, mixture, wanted)
    )


def distilled_linear_cross_entropy(
    features: Tensor,
    weight: Tensor,
    target: Tensor,
    row_weights: Tensor,
    teacher: SoftTargets,
    teacher_rows: Tensor,
    mixture: Mixture,
) -> DistilledCrossEntropy:
    """The same from ``features · weightᵀ``, of which only a chunk exists at a time.

    Args:
        features: rows × channels.
        weight: vocabulary × channels.
        target: rows, word indices without padding.
        row_weights: rows, the factor of each row in the sum.
        teacher: its distributions.
        teacher_rows: rows, which of the teacher's rows belongs to each.
        mixture: what to train towards.
    """
    enabled = torch.is_grad_enabled()
    wanted = (enabled and features.requires_grad, enabled and weight.requires_grad)
    with explicit_autocast() as half:
        if half is not None:  # project in the precision that fairseq's own projection would take
            features, weight = features.to(half), weight.to(half)
        return DistilledCrossEntropy(
            *_FromFeatures.apply(
                features, weight, target, row_weights.float(), teacher, teacher_rows, mixture, wanted
            )
        )


class _FromLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        row_weights: Tensor,
        teacher: SoftTargets,
        mixture: Mixture,
        gradient_wanted: bool,
    ) -> Tuple[Tensor, ...]:
        # In single precision until the loss is scaled (fp16): small gradients would vanish before.
        gradient = torch.empty_like(logits, dtype=torch.float32) if gradient_wanted else None
        row_terms = row_weights.new_empty(3, row_weights.size(0))
        for rows in _chunks(logits.size(0), logits.size(1)):
            room = gradient[rows] if gradient is not None else torch.empty_like(logits[rows], dtype=torch.float32)
            scores = room.copy_(logits[rows])
            row_terms[:, rows] = _into_gradient(scores, target[rows], teacher.rows(rows), mixture)
            scores.mul_(row_weights[rows].unsqueeze(1))
        ctx.gradients, ctx.dtypes = (gradient,), (logits.dtype,)
        return _finished(ctx, row_terms, row_weights)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, *_: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        return (*take_saved_gradients(ctx, grad_loss), None, None, None, None, None)


class _FromFeatures(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        target: Tensor,
        row_weights: Tensor,
        teacher: SoftTargets,
        teacher_rows: Tensor,
        mixture: Mixture,
        gradients_wanted: Tuple[bool, bool],
    ) -> Tuple[Tensor, ...]:
        want_features, want_weight = gradients_wanted
        grad_features = torch.zeros_like(features, dtype=torch.float32) if want_features else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if want_weight else None
        row_terms = row_weights.new_empty(3, row_weights.size(0))
        for rows in _chunks(features.size(0), weight.size(0)):
            scores = torch.mm(features[rows], weight.t()).float()
            row_terms[:, rows] = _into_gradient(scores, target[rows], teacher.rows(teacher_rows[rows]), mixture)
            gradient = scores.mul_(row_weights[rows].unsqueeze(1))
            if grad_features is not None:
                add_product(grad_features[rows], gradient, weight)
            if grad_weight is not None:
                add_product(grad_weight, gradient.t(), features[rows])
        ctx.gradients, ctx.dtypes = (grad_features, grad_weight), (features.dtype, weight.dtype)
        return _finished(ctx, row_terms, row_weights)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, *_: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        return (*take_saved_gradients(ctx, grad_loss), None, None, None, None, None, None)


def _chunks(rows: int, classes: int) -> Iterator[slice]:
    size = max(1, CHUNK_ELEMENTS // classes)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def _finished(ctx: Any, row_terms: Tensor, row_weights: Tensor) -> Tuple[Tensor, ...]:
    losses, nll_losses, soft_losses = row_terms
    ctx.mark_non_differentiable(losses, nll_losses, soft_losses)
    return (losses * row_weights).sum(), losses, nll_losses, soft_losses


def _into_gradient(scores: Tensor, target: Tensor, teacher: Rows, mixture: Mixture) -> Tensor:
    """The mixture, the negative log-likelihood and the soft loss of some rows, 3 × rows.

    Args:
        scores: the logits, rows × vocabulary, overwritten with the mixture's gradient.
        target: rows.
        teacher: the distributions of these rows.
        mixture: what to train towards.
    """
    hard, soft, smoothing, temperature = mixture
    classes, index = scores.size(1), target.unsqueeze(1)
    uniform = smoothing / (classes - 1)
    on_target = 1.0 - smoothing - uniform
    target_scores = scores.gather(1, index).squeeze(1)
    sums = scores.sum(dim=1) if uniform > 0 else 0.0
    expected = teacher.expectation(scores)
    softened = None
    if temperature != 1:
        softened = scores / temperature
        softened_log_partition = softened.logsumexp(dim=1)
        softened.sub_(softened_log_partition.unsqueeze(1)).exp_()
    largest = scores.amax(dim=1, keepdim=True)
    partition = scores.sub_(largest).exp_().sum(dim=1)
    log_partition = largest.squeeze(1) + partition.log()
    nll_losses = log_partition - target_scores
    # fairseq's smoothing: epsilon is spread over the V - 1 other words. Σ_v log p(v) = Σ_v score(v) - V · log Z.
    losses = hard * (on_target * nll_losses + uniform * (classes * log_partition - sums))
    if softened is None:
        soft_losses = log_partition - expected
        scores.mul_(((hard + soft) / partition).unsqueeze(1))
    else:
        soft_losses = temperature**2 * softened_log_partition - temperature * expected
        scores.mul_((hard / partition).unsqueeze(1)).add_(softened, alpha=soft * temperature)
    if hard > 0:
        scores.sub_(hard * uniform)
        scores.scatter_add_(1, index, scores.new_full((1, 1), -hard * on_target).expand_as(index))
    teacher.subtract_from(scores, soft * temperature)
    return torch.stack([losses + soft * soft_losses, nll_losses, soft_losses])
