"""Near ties: words whose probabilities are so close that rounding decides between them.

A pass over several words sums in another order than a pass over one word, so it may decide a near tie otherwise, and so
may fairseq itself in a batch of another size. Where a near tie occurs, fairseq's own search decodes the batch.
"""

from typing import Any

import torch

# In log-probabilities, by the type of the parameters: a hundred times the rounding seen in a decoder's outputs, about
# 1e-6 in single precision. Half precision is so coarse that near ties are everywhere: there our pass decides.
_ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-4}
# The rounding of a sum in single precision, as a share of it: fairseq compares sums of log-probabilities.
_SUM_ROUNDING = 2.0**-22


class NearTies:
    """Says which margins between the best two words are near ties.

    Args:
        dtype: the type of the model's parameters.
    """

    def __init__(self, dtype: Any) -> None:
        self._half = dtype not in _ROUNDING
        self._rounding = _ROUNDING.get(dtype, 0.0)

    def includes(self, margin: float, score: float) -> bool:
        """Whether a *margin* is a near tie.

        Args:
            margin: the difference between the log-probabilities of the best two words.
            score: the sum of the log-probabilities of the words up to and with the best one; ``-inf`` or ``nan`` if no
                word has a probability, which counts as a near tie.
        """
        if not score > float("-inf"):
            return True
        return not self._half and not margin > self._rounding - _SUM_ROUNDING * score
