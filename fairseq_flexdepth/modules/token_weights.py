"""How much each token of a batch counts."""

from typing import Optional

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
