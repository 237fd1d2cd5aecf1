"""Weights of tokens and positions in a loss: 0 for padding, elsewhere the weight of the sentence."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor


def token_weights(tokens: Tensor, padding: int, sentence_weights: Optional[Tensor]) -> Tensor:
    """The weight of each token: 0 for padding, elsewhere the weight of its sentence.

    Args:
        tokens: batch × length.
        padding: the index of the padding symbol.
        sentence_weights: batch; ``None`` for 1 each.

    Returns:
        Batch × length, in single precision.
    """
    kept = tokens.ne(padding).float()  # batch × length
    return kept if sentence_weights is None else kept * sentence_weights.float().unsqueeze(1)  # weights: batch × 1


class Counted(NamedTuple):
    """The positions of a batch whose weight is above 0, at which the outputs of layers are compared.

    The host waits for the device to find them: once for all layers, and before the layers run.
    """

    places: Tensor  # positions: their indices in (length · batch)
    weights: Tensor  # positions, in single precision and above 0
    all_weights: Tensor  # batch × length, 0 for positions that do not count

    def of(self, states: Tensor) -> Tensor:
        """The *states* at these positions.

        Args:
            states: length × batch × channels.

        Returns:
            Positions × channels.
        """
        flat = states.reshape(-1, states.size(-1))  # (length · batch) × channels
        return flat.index_select(0, self.places)  # positions × channels


def counted_positions(weights: Tensor) -> Counted:
    """Find the positions whose weight is above 0.

    Args:
        weights: batch × length, as :func:`token_weights` returns them.
    """
    flat = weights.t().reshape(-1)  # (length · batch): the order of the layers' outputs
    places = (flat > 0).nonzero().view(-1)  # positions
    return Counted(places, flat[places], weights)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Σ weights · values / Σ weights, a scalar; if all weights are 0, it is 0, and all its gradients are 0.

    Args:
        values: a tensor of any shape.
        weights: of the same shape, at least 0.
    """
    # The smallest normal number instead of 0: 0 / 0 would not be a number, in the gradients too.
    return (values * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
