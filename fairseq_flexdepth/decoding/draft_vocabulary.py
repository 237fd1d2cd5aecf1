"""The words that a draft may propose: the most frequent ones, so that the projection of a draft is small.

The words that a draft cannot propose are found when it is checked, by a projection onto all words.
"""

from typing import Any, List, Optional

import torch
from torch import Tensor
from torch.nn.functional import linear

# The default number of words.
DEFAULT_SIZE = 4096


def most_frequent(dictionary: Any, size: int) -> List[int]:
    """The numbers of the *size* most frequent words of fairseq's *dictionary*, ascending; special symbols come first.

    fairseq sorts a dictionary by frequency when it makes one, but any order is a valid dictionary.
    """
    special = range(dictionary.nspecial)
    words = range(dictionary.nspecial, len(dictionary))
    by_count = sorted(words, key=lambda word: -dictionary.count[word])  # a stable sort
    return sorted([*special, *by_count][:size])


class DraftVocabulary:
    """Projects onto the most frequent words.

    Args:
        decoder: fairseq's Transformer decoder.
        dictionary: the target dictionary.
        size: the number of words.
    """

    def __init__(self, decoder: Any, dictionary: Any, size: int) -> None:
        self._projection = decoder.output_projection
        self._size = size
        chosen = most_frequent(dictionary, size)
        # The numbers of the words; None: they are the first words of the dictionary.
        self._chosen: Optional[Tensor] = None if chosen == list(range(size)) else torch.tensor(chosen)
        self._rows: Optional[Tensor] = None  # words × channels: a copy of the projection's rows
        self._copied: Any = None  # says of which values self._rows is a copy

    def best_words(self, features: Tensor) -> Tensor:
        """The word of the highest logit.

        Args:
            features: the input of the output projection, 1 × rows × channels.

        Returns:
            Rows × 1.
        """
        weight = self._projection.weight
        if self._chosen is None:
            logits = linear(features[0], weight[: self._size])  # rows × words
            return logits.max(-1, keepdim=True)[1]
        version = weight.data_ptr(), weight._version, weight.dtype
        if self._copied != version:
            self._chosen = self._chosen.to(weight.device)
            self._rows, self._copied = weight.index_select(0, self._chosen), version
        logits = linear(features[0], self._rows)  # rows × words
        return self._chosen[logits.max(-1, keepdim=True)[1]]
