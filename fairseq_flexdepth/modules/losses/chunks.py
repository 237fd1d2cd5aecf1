"""The chunk size of the losses, and the one loop that projects features to logits, one chunk at a time.

The logits of all depth pairs, rows × vocabulary, would not fit in memory: 18 GiB for 36 depth pairs of 4,096 tokens and
a vocabulary of 32,768. So a loss takes a chunk of rows, projects them, turns their logits into gradients and uses the
same memory for the next chunk. Neither the forward nor the backward pass holds more than one chunk of logits.
"""

from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.compat import explicit_autocast
from fairseq_flexdepth.modules.losses.half_products import add_product

# Logits per chunk, 128 MiB in single precision. Each chunk reads the whole output projection and adds to its whole
# gradient, so chunks are large.
CHUNK_ELEMENTS = 2**25
CHUNK_ELEMENTS_ON_GPU = 2**27  # a GPU reads them faster, and starts a kernel per pass and chunk
# Probabilities per chunk of a pass that projects nothing, 4 MiB in single precision. A chunk that fits in the
# processor's cache takes a third to a half of the time that CHUNK_ELEMENTS takes there. A GPU takes CHUNK_ELEMENTS.
SMALL_CHUNK_ELEMENTS = 2**20


def rows_per_chunk(rows: int, classes: int, device: torch.device, small: bool = False) -> int:
    """The number of rows in a full chunk, at least 1; for the arguments see :func:`row_chunks`."""
    if device.type == "cpu":
        elements = SMALL_CHUNK_ELEMENTS if small else CHUNK_ELEMENTS
    else:
        elements = CHUNK_ELEMENTS if small else CHUNK_ELEMENTS_ON_GPU
    return max(1, min(elements // classes, rows))


def row_chunks(rows: int, classes: int, device: torch.device, small: bool = False) -> Iterator[slice]:
    """Slices of neighbouring rows, which together cover all rows.

    Args:
        rows: the number of rows.
        classes: the number of elements per row, the vocabulary.
        device: the device of the rows.
        small: smaller chunks, for a pass that projects nothing.
    """
    size = rows_per_chunk(rows, classes, device, small)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


class FeatureRows(NamedTuple):
    """Rows of features, one per target word, with the projection that turns them into logits."""

    features: Tensor  # rows × channels
    weight: Tensor  # vocabulary × channels: the output projection
    target: Tensor  # rows: word indices, without padding
    row_weights: Tensor  # rows: the factor of each row in the loss


class Gradients(NamedTuple):
    """Gradients of a loss in single precision, formed in its forward pass; ``None`` for a frozen tensor.

    They stay in single precision until the loss is scaled (``--fp16``): small gradients would vanish before.
    """

    features: Optional[Tensor]  # rows × channels
    weight: Optional[Tensor]  # vocabulary × channels


class Chunk(NamedTuple):
    """A chunk of :class:`FeatureRows`, with its logits and with room for its gradients."""

    place: slice  # its rows among all rows
    rows: FeatureRows  # the chunk's own rows
    logits: Tensor  # rows × vocabulary, in the precision of the projection, to be overwritten
    gradients: Gradients  # of the chunk's features, zeros so far; of the weight, the sum over the chunks before


ChunkLoss = Callable[[Chunk], Tensor]  # adds the chunk's gradients; returns terms × rows, first the loss of each row


def loss_in_chunks(rows: FeatureRows, gradients: Gradients, loss_of_chunk: ChunkLoss, terms: int) -> Tensor:
    """Project *rows* one chunk at a time and apply a loss to each chunk.

    Args:
        rows: all rows.
        gradients: zeros, to which the gradients are added.
        loss_of_chunk: computes the loss of one chunk and adds its gradients.
        terms: the number of values that *loss_of_chunk* returns per row.

    Returns:
        terms × rows, in single precision.
    """
    features, weight, _, row_weights = rows
    count, classes = features.size(0), weight.size(0)
    row_terms = row_weights.new_empty(terms, count)
    # One buffer for all chunks: fresh memory for each would cost a tenth of the time.
    buffer = torch.empty(
        rows_per_chunk(count, classes, features.device), classes, dtype=features.dtype, device=features.device
    )
    for place in row_chunks(count, classes, features.device):
        room = buffer[: place.stop - place.start]  # rows × vocabulary
        own = FeatureRows(features[place], weight, rows.target[place], row_weights[place])
        grad_features = None if gradients.features is None else gradients.features[place]  # rows × channels
        row_terms[:, place] = loss_of_chunk(
            Chunk(
                place,
                own,
                torch.mm(own.features, weight.t(), out=room),  # rows × vocabulary
                Gradients(grad_features, gradients.weight),
            )
        )
    return row_terms


def add_gradients(chunk: Chunk, gradient: Tensor) -> None:
    """Add the gradients of a chunk's features and weight; its logits are overwritten.

    Args:
        chunk: the chunk.
        gradient: rows × vocabulary, in single precision: of the weighted sum of losses with respect to the logits.
    """
    features, weight, _, _ = chunk.rows
    room = chunk.logits
    if weight.dtype == torch.bfloat16:  # rounded once for both products
        gradient = room.copy_(gradient)
    if chunk.gradients.features is not None:
        add_product(chunk.gradients.features, gradient, weight, room)
    if chunk.gradients.weight is not None:
        add_product(chunk.gradients.weight, gradient.t(), features, room.t())


def projected_loss(rows: FeatureRows, form: Callable[[FeatureRows, Gradients], Tensor]) -> Sequence[Tensor]:
    """The weighted sum of a loss over rows of features, and the terms of each row.

    Args:
        rows: features, projection, targets and weights.
        form: adds the gradients of the sum to zeros and returns terms × rows, first the loss of each row.

    Returns:
        Σ ``row_weights`` · loss, a scalar with a gradient; then the terms, each of ``rows`` values, without gradients.
    """
    enabled = torch.is_grad_enabled()
    features, weight, target, row_weights = rows

    def zeros_like(tensor: Tensor) -> Optional[Tensor]:
        return torch.zeros_like(tensor, dtype=torch.float32) if enabled and tensor.requires_grad else None

    with explicit_autocast() as half:
        if half is not None:  # project in the precision of fairseq's own projection
            features, weight = features.to(half), weight.to(half)
        cast = FeatureRows(features, weight, target, row_weights.float())

        def form_gradients() -> Tuple[Tensor, Gradients]:
            gradients = Gradients(zeros_like(features), zeros_like(weight))
            return form(cast, gradients), gradients

        return WeightedSum.apply(form_gradients, cast.row_weights, features, weight)


class WeightedSum(torch.autograd.Function):
    """A weighted sum of the losses of rows. Its forward pass also forms the gradients, which can be used once."""

    @staticmethod
    def forward(
        ctx: Any,
        form_gradients: Callable[[], Tuple[Tensor, Sequence[Optional[Tensor]]]],
        row_weights: Tensor,
        *trained: Tensor,
    ) -> Tuple[Tensor, ...]:
        """Compute the terms of all rows and keep the gradients.

        Args:
            ctx: autograd's context.
            form_gradients: returns terms × rows, first the loss of each row, and one gradient per trained tensor.
            row_weights: rows, the factor of each row in the sum.
            trained: the tensors that get the gradients.

        Returns:
            The sum, a scalar; then the terms, each of ``rows`` values, which carry no gradient.
        """
        row_terms, ctx.gradients = form_gradients()
        ctx.dtypes = [tensor.dtype for tensor in trained]
        terms = row_terms.unbind()
        ctx.mark_non_differentiable(*terms)
        return ((terms[0] * row_weights).sum(), *terms)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, *_: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        """Multiply the gradients by the gradient of the loss, cast them to the type of their tensors and release them.

        Raises:
            RuntimeError: an earlier backward pass has released them.
        """
        if ctx.gradients is None:
            raise RuntimeError("the gradients of the chunked cross-entropy were used up by an earlier backward pass")
        gradients, ctx.gradients = ctx.gradients, None
        scaled = (None if one is None else one.mul_(grad_loss).to(dtype) for one, dtype in zip(gradients, ctx.dtypes))
        return (None, None, *scaled)


def correct_rows(chunk: Chunk) -> List[Tensor]:
    """1 for each row of the chunk whose most probable word is the target, else 0: a list of 1 × rows."""
    correct = chunk.logits.argmax(dim=1).eq(chunk.rows.target)
    return [correct.unsqueeze(0).float()]
