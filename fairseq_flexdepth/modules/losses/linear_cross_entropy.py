"""Output projection and label-smoothed cross-entropy in one, one chunk of rows at a time (see ``chunks.py``)."""

import logging
from functools import lru_cache, partial
from typing import Callable, Dict, NamedTuple, Optional

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses import compiled_cross_entropy, eager_cross_entropy
from fairseq_flexdepth.modules.losses.chunks import (
    Chunk,
    FeatureRows,
    Gradients,
    correct_rows,
    loss_in_chunks,
    projected_loss,
)  # fmt: skip
from fairseq_flexdepth.modules.losses.label_smoothing import smoothing_of, subtract_uniform

logger = logging.getLogger(__name__)

# Computes the losses of a chunk and adds its gradients, by --loss-backend.
BACKENDS: Dict[str, Callable[..., Tensor]] = {
    "eager": eager_cross_entropy.chunk_losses,
    "compiled": compiled_cross_entropy.chunk_losses,
}

CHOICES = ("auto", *BACKENDS)  # of --loss-backend
EAGER = ("auto", "eager")  # the choices that every loss takes


def check_backend(backend: str) -> None:
    """Check that this torch can run ``--loss-backend`` *backend*.

    Raises:
        ValueError: it cannot.
    """
    if backend == "compiled" and not hasattr(torch, "compile"):
        raise ValueError(f"--loss-backend {backend}: needs torch 2 or newer, this is {torch.__version__}; use eager")


@lru_cache(maxsize=None)
def chosen_backend(backend: str, device_type: str, dtype: torch.dtype) -> str:
    """The one of ``BACKENDS`` that ``--loss-backend`` *backend* means on a device, for logits of a type; logs it once.

    ``auto`` is eager everywhere so far. The compiled chunk moves fewer bytes, but was never timed on a GPU, and each
    user needs a compiler that torch finds. When it is measured to be faster somewhere, ``auto`` is to take it there.
    """
    chosen = "eager" if backend == "auto" else backend
    logger.info("loss: --loss-backend %s on %s, logits in %s", chosen, device_type, str(dtype).split(".")[1])
    return chosen


class LinearCrossEntropy(NamedTuple):
    """The weighted sum over all rows, and the losses of each row; only the sum carries a gradient."""

    loss: Tensor  # scalar
    row_losses: Tensor  # rows: label-smoothed cross-entropy
    row_nll_losses: Tensor  # rows: negative log-likelihood
    row_correct: Optional[Tensor] = None  # rows: 1 where the target is the most probable word, else 0


def linear_cross_entropy(
    rows: FeatureRows, label_smoothing: float, backend: str = "auto", accuracy: bool = False
) -> LinearCrossEntropy:
    """Σ over rows of ``row_weights`` × fairseq's ``label_smoothed_nll_loss`` of ``features · weightᵀ``.

    As in fairseq, the target class has the probability 1 − ε, and every other class ε / (vocabulary − 1).

    Args:
        rows: features (rows × channels), projection (vocabulary × channels), targets and weights (rows).
        label_smoothing: ε, 0 to 1.
        backend: one of ``CHOICES``.
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
    form = partial(_form, label_smoothing=label_smoothing, accuracy=accuracy, backend=backend)
    return LinearCrossEntropy(*projected_loss(rows, form))


def _form(rows: FeatureRows, gradients: Gradients, label_smoothing: float, accuracy: bool, backend: str) -> Tensor:
    """Accumulate the gradients of all rows in *gradients*; return the terms of :class:`LinearCrossEntropy` × rows."""
    features, weight, _, row_weights = rows
    smoothing = smoothing_of(label_smoothing, classes=weight.size(0))
    chunk_losses = BACKENDS[chosen_backend(backend, features.device.type, weight.dtype)]
    weight_sum = weight.sum(dim=0, dtype=torch.float32)  # channels

    def of_chunk(chunk: Chunk) -> Tensor:
        logit_sums = chunk.rows.features.float() @ weight_sum  # rows: Σ_v logit(v), without a pass over the vocabulary
        correct = correct_rows(chunk) if accuracy else []  # first, since the backend overwrites the logits
        return torch.cat([chunk_losses(chunk, logit_sums, weight_sum, smoothing), *correct])

    row_terms = loss_in_chunks(rows, gradients, of_chunk, terms=3 if accuracy else 2)  # terms × rows
    if gradients.weight is not None and weight.dtype == torch.float32:
        subtract_uniform(gradients.weight, features, row_weights, smoothing)
    return row_terms
