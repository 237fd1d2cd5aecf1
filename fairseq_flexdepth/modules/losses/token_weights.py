"""How much each token of a batch counts."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor


def token_weights(tokens: Tensor, padding: int, sentence_weights: Optional[Tensor]) -> Tensor:
    """0 for padding, or else the weight of the token's sentence; 1 where sentences have none.

    Args:
        tokens: batch × length.
        padding: the padding symbol.
        sentence_weights: batch.

    Returns:
        Batch × length, in single precision.
    """
    kept = tokens.ne(padding).float()
    return kept if sentence_weights is None else kept * sentence_weights.float().unsqueeze(1)


class Counted(NamedTuple):
    """The positions of a batch that count, which a layer's outputs are compared at.

    To find them waits for the device: once for all layers, and before they run.
    """

    places: Tensor  # positions: where they are in length × batch
    weights: Tensor  # positions, in single precision and above 0
    all_weights: Tensor  # batch × length, 0 for those that do not count

    def of(self, states: Tensor) -> Tensor:
        """Those of *states*, length × batch × channels: positions × channels."""
        return states.reshape(-1, states.size(-1)).index_select(0, self.places)


def counted_positions(weights: Tensor) -> Counted:
    """Those whose weight is above 0; *weights* are batch × length."""
    flat = weights.t().reshape(-1)
    places = (flat > 0).nonzero().view(-1)
    return Counted(places, flat[places], weights)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Σ weights · values / Σ weights: 0, and with it all gradients, where nothing has a weight."""
    return (values * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
