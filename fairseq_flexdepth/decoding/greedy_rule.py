"""The choice of the next word in fairseq's greedy search (``--beam 1``), for several steps of each row at once."""

from typing import NamedTuple, Optional, Sequence

import numpy
import torch
from torch import Tensor

from fairseq_flexdepth.modules.device_copies import on_device_of

FREE = -1  # in place of a word's number: the model chooses


class Window(NamedTuple):
    """What a search prescribes for the next steps of each row: rows × steps; ``None`` where it prescribes nothing."""

    forced: Optional[Tensor]  # the number of the word that must be taken, or FREE
    unended: Optional[Tensor]  # whether the end symbol must not be taken


class GreedyRule:
    """fairseq's rules for one batch.

    Args:
        pad: the number of the padding symbol, which is never taken.
        unk: the number of the unknown word.
        eos: the number of the end symbol.
        min_len: the end symbol is not taken in the steps before this one, counted from 0.
        max_len: in this step the end symbol must be taken.
        unk_penalty: subtracted from the log-probability of the unknown word.
        temperature: divides the logits.
        prefix: the words that translations begin with, sentences × words, padded; ``None`` if they are free.
    """

    def __init__(
        self,
        pad: int,
        unk: int,
        eos: int,
        min_len: int,
        max_len: int,
        unk_penalty: float = 0.0,
        temperature: float = 1.0,
        prefix: Optional[Tensor] = None,
    ) -> None:
        self._pad, self._unk, self._eos = pad, unk, eos
        self._min_len, self._max_len = min_len, max_len
        self._unk_penalty, self._temperature = unk_penalty, temperature
        self._prefix = numpy.zeros((0, 0), dtype=numpy.int64) if prefix is None else prefix.cpu().numpy()

    def window(self, sentences: Sequence[int], steps: Sequence[int], width: int, like: Tensor) -> Window:
        """What is prescribed for the next *width* steps.

        Args:
            sentences: the sentence of each row.
            steps: the next step of each row.
            width: the number of steps.
            like: a tensor on the device to copy to.
        """
        length = self._prefix.shape[1]
        if min(steps) >= max(self._min_len, length) and max(steps) + width <= self._max_len:
            return Window(None, None)
        ahead = numpy.asarray(steps)[:, None] + numpy.arange(width)  # rows × steps
        # As in fairseq, --min-len does not hold within the longest prefix of the batch.
        in_prefix = (ahead < length) & (ahead < self._max_len)
        unended = (ahead < self._min_len) & (ahead < self._max_len) & ~in_prefix
        forced = numpy.where(ahead >= self._max_len, self._eos, FREE)
        if in_prefix.any():
            words = self._prefix[numpy.asarray(sentences)[:, None], numpy.minimum(ahead, length - 1)]
            forced = numpy.where(in_prefix & (words != self._pad), words, forced)
        return Window(
            on_device_of(like, forced, torch.long) if (forced != FREE).any() else None,
            on_device_of(like, unended, torch.bool) if unended.any() else None,
        )

    def best_words(self, logits: Tensor, window: Window) -> Tensor:
        """The words that greedy search takes.

        Args:
            logits: rows × steps × words; changed in place.
            window: the result of :meth:`window` for these rows and steps.

        Returns:
            3 × rows × steps in double precision: the words' numbers, their log-probabilities, and the differences to
            the second best words (``inf`` for forced words).
        """
        if self._temperature != 1.0:
            logits = logits.div_(self._temperature)
        logits = logits.float()
        total = logits.logsumexp(-1)  # rows × steps; of all words, also those that are not allowed
        logits[..., self._pad] = float("-inf")
        if self._unk_penalty != 0.0:
            logits[..., self._unk] -= self._unk_penalty
        if window.unended is not None:
            logits[..., self._eos].masked_fill_(window.unended, float("-inf"))
        # fairseq takes the first of its best two: where two words are equally good, topk(2) decides as there.
        best, words = logits.topk(2)  # rows × steps × 2
        word, first, margin = words[..., 0], best[..., 0], best[..., 0] - best[..., 1]  # rows × steps
        if window.forced is not None:
            free = window.forced.eq(FREE)
            word = torch.where(free, word, window.forced)
            first = logits.gather(-1, word.unsqueeze(-1)).squeeze(-1)  # rows × steps
            margin = margin.masked_fill(~free, float("inf"))
        return torch.stack([word.double(), (first - total).double(), margin.double()])  # 3 × rows × steps
