"""Output projection and label-smoothed cross-entropy in one, a chunk of rows at a time.

The logits of all depth pairs, rows × vocabulary, would not fit in memory: 18 GiB for 36 pairs of 4,096 tokens and a
vocabulary of 32,768. Here a chunk's logits become its gradients at once and are then forgotten, so that neither the
forward nor the backward pass ever holds more than one chunk.
"""

from typing import Any, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.compat import explicit_autocast
from fairseq_flexdepth.modules.losses.half_products import add_product

CHUNK_ELEMENTS = 2**25  # logits held at a time: 128 MiB in single precision


class LinearCrossEntropy(NamedTuple):
    """The weighted sum over all rows, and every row's own loss (no gradient flows through the latter two)."""

    loss: Tensor  # scalar
    row_losses: Tensor  # rows: label-smoothed cross-entropy
    row_nll_losses: Tensor  # rows: negative log-likelihood


def linear_cross_entropy(
    features: Tensor, weight: Tensor, target: Tensor, row_weights: Tensor, label_smoothing: float
) -> LinearCrossEntropy:
    """Σ over rows of ``row_weights`` × fairseq's ``label_smoothed_nll_loss`` of ``features · weightᵀ``.

    As in fairseq, the target class has the probability 1 − ε, and every other class ε / (vocabulary − 1).

    Args:
        features: rows × channels.
        weight: vocabulary × channels.
        target: rows, class indices without padding.
        row_weights: rows, the factor of each row in the sum.
        label_smoothing: ε, 0 to 1.
    """
    gradients = torch.is_grad_enabled()
    with explicit_autocast() as half:
        if half is not None:  # project in the precision that fairseq's own projection would take
            features, weight = features.to(half), weight.to(half)
        return LinearCrossEntropy(
            *_ChunkedLinearCrossEntropy.apply(
                features,
                weight,
                target,
                row_weights.float(),
                label_smoothing,
                (gradients and features.requires_grad, gradients and weight.requires_grad),
            )
        )


def take_saved_gradients(ctx: Any, grad_loss: Tensor) -> List[Optional[Tensor]]:
    """What a forward pass left in ``ctx.gradients``, for a loss of this gradient and as ``ctx.dtypes``; it is let go.

    Raises:
        RuntimeError: an earlier backward pass took it.
    """
    if ctx.gradients is None:
        raise RuntimeError("the gradients of the chunked cross-entropy were used up by an earlier backward pass")
    gradients, ctx.gradients = ctx.gradients, None
    return [None if one is None else one.mul_(grad_loss).to(dtype) for one, dtype in zip(gradients, ctx.dtypes)]


class _ChunkedLinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        target: Tensor,
        row_weights: Tensor,
        label_smoothing: float,
        gradients_wanted: Tuple[bool, bool],
    ) -> Tuple[Tensor, Tensor, Tensor]:
        want_features, want_weight = gradients_wanted
        # In single precision until the loss is scaled (fp16): small gradients would vanish before.
        grad_features = torch.empty_like(features, dtype=torch.float32) if want_features else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if want_weight else None
        row_losses = torch.empty_like(row_weights)
        row_nll_losses = torch.empty_like(row_weights)
        weight_sum = weight.sum(dim=0, dtype=torch.float32)
        chunk_rows = max(1, min(CHUNK_ELEMENTS // weight.size(0), features.size(0)))
        logits = torch.empty(chunk_rows, weight.size(0), dtype=features.dtype, device=features.device)
        for start in range(0, features.size(0), chunk_rows):
            rows = slice(start, start + chunk_rows)
            row_losses[rows], row_nll_losses[rows] = _one_chunk(
                features[rows],
                weight,
                weight_sum,
                target[rows],
                row_weights[rows],
                label_smoothing,
                None if grad_features is None else grad_features[rows],
                grad_weight,
                logits[: features[rows].size(0)],
            )
        if grad_weight is not None and label_smoothing > 0 and weight.dtype == torch.float32:
            # The uniform part of the smoothed target is the same for every class: one vector, added once.
            uniform = label_smoothing / (weight.size(0) - 1)
            grad_weight -= uniform * (row_weights @ features.float())
        ctx.gradients, ctx.dtypes = (grad_features, grad_weight), (features.dtype, weight.dtype)
        loss = (row_losses * row_weights).sum()
        ctx.mark_non_differentiable(row_losses, row_nll_losses)
        return loss, row_losses, row_nll_losses

    @staticmethod
    def backward(
        ctx: Any, grad_loss: Tensor, *_: Optional[Tensor]
    ) -> Tuple[Optional[Tensor], ...]:
        return (*take_saved_gradients(ctx, grad_loss), None, None, None, None)


def _one_chunk(
    features: Tensor,
    weight: Tensor,
    weight_sum: Tensor,
    target: Tensor,
    row_weights: Tensor,
    label_smoothing: float,
    grad_features: Optional[Tensor],
    grad_weight: Optional[Tensor],
    logits: Tensor,
) -> Tuple[Tensor, Tensor]:
    """Losses of some rows; their gradients are written into *grad_features* and added to *grad_weight*.

    *logits* is room for rows × vocabulary. The softmax is computed there, in place: fresh memory of that size for
    every chunk would cost a tenth of the time.
    """
    classes = weight.size(0)
    uniform = label_smoothing / (classes - 1)
    on_target = 1.0 - label_smoothing - uniform
    index = target.unsqueeze(1)
    exponentials = torch.mm(features, weight.t(), out=logits).float()
    target_logits = exponentials.gather(1, index).squeeze(1)
    largest = exponentials.amax(dim=1, keepdim=True)
    partition = exponentials.sub_(largest).exp_().sum(dim=1)
    log_partition = largest.squeeze(1) + partition.log()
    losses = nll_losses = log_partition - target_logits
    if label_smoothing > 0:
        # Σ_v log p(v) = Σ_v logit(v) − V · log Z, where Σ_v logit(v) needs no pass over the vocabulary.
        smooth_losses = classes * log_partition - features.float() @ weight_sum
        losses = on_target * nll_losses + uniform * smooth_losses
    if grad_features is None and grad_weight is None:
        return losses, nll_losses
    # d loss / d logits = p − (1 − ε − ε/(V−1)) · onehot − ε/(V−1), where p = exponentials / partition.
    if weight.dtype != torch.float32:
        factors = row_weights.unsqueeze(1)
        gradient = torch.addcmul(-uniform * factors, exponentials, factors / partition.unsqueeze(1), out=exponentials)
        gradient.scatter_add_(1, index, -on_target * factors)
        if grad_features is not None:
            add_product(grad_features.zero_(), gradient, weight, logits)
        if grad_weight is not None:
            add_product(grad_weight, gradient.t(), features, logits.t())
        return losses, nll_losses
    # In single precision the division is left to the smaller factor of each product, the last term to a rank-one
    # correction. Half precision would round what they cancel.
    exponentials.scatter_add_(1, index, (-on_target * partition).unsqueeze(1))
    scale = (row_weights / partition).unsqueeze(1)
    if grad_features is not None:
        torch.sub((exponentials @ weight) * scale, (uniform * row_weights).outer(weight_sum), out=grad_features)
    if grad_weight is not None:
        grad_weight.addmm_(exponentials.t(), features * scale)
    return losses, nll_losses
