"""Soft targets: a teacher's distributions over the vocabulary, which a student learns from ([hinton2015] §2)."""

from typing import Iterable, Iterator, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.chunks import row_chunks


class DenseRows(NamedTuple):
    """The distributions of some tokens over all words."""

    probabilities: Tensor  # rows × vocabulary

    def expectation(self, scores: Tensor) -> Tensor:
        """Σ_v q(v) · *scores*(v) of every row, ``rows`` values; scores are rows × vocabulary."""
        with torch.autocast(scores.device.type, enabled=False):  # autocast would round the sum
            return torch.einsum("rv,rv->r", self.probabilities.to(scores.dtype), scores)

    def subtract_from(self, scores: Tensor, factor: float) -> None:
        """Subtract *factor* times the probabilities from *scores*, rows × vocabulary, in place."""
        scores.sub_(self.probabilities, alpha=factor)


class SparseRows(NamedTuple):
    """The most probable words of some tokens; all others have probability 0."""

    probabilities: Tensor  # rows × k
    words: Tensor  # rows × k: word indices

    def expectation(self, scores: Tensor) -> Tensor:
        """See :meth:`DenseRows.expectation`."""
        return (scores.gather(1, self.words) * self.probabilities).sum(dim=1)  # rows × k, summed to rows

    def subtract_from(self, scores: Tensor, factor: float) -> None:
        """See :meth:`DenseRows.subtract_from`."""
        scores.scatter_add_(1, self.words, (self.probabilities * -factor).to(scores.dtype))


Rows = Union[DenseRows, SparseRows]


class SoftTargets:
    """The distributions of all tokens of a batch, one row per token: (batch · target length) rows."""

    dropped: Optional[Tensor] = None  # tokens: the total probability of the words left out by ``--kd-topk``

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        """The distributions of the tokens at *index*, a slice or a vector of row numbers."""
        raise NotImplementedError


class _AllWords(SoftTargets):
    """Probabilities in single precision."""

    def __init__(self, probabilities: Tensor) -> None:
        self.probabilities = probabilities  # tokens × vocabulary

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        return DenseRows(self.probabilities[index])


class _AllWordsInHalf(SoftTargets):
    """Logits in half precision, which cannot hold small probabilities: these are formed when they are needed."""

    def __init__(self, logits: Tensor, temperature: float, log_partitions: Tensor) -> None:
        self.logits = logits  # tokens × vocabulary
        self.temperature = temperature
        self.log_partitions = log_partitions  # tokens: log Σ_v exp(logit(v) / temperature)

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        shifts = -self.log_partitions[index].unsqueeze(1)  # rows × 1
        # rows × vocabulary, in single precision as the shifts
        return DenseRows(torch.add(shifts, self.logits[index], alpha=1 / self.temperature).exp_())


class _TopWords(SoftTargets):
    """Probabilities of the most probable words alone."""

    def __init__(self, probabilities: Tensor, words: Tensor, dropped: Tensor) -> None:
        self.probabilities, self.words = probabilities, words  # tokens × k
        self.dropped = dropped  # tokens

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        return SparseRows(self.probabilities[index], self.words[index])


@torch.no_grad()
def mean_logits(logits: Iterable[Tensor]) -> Tensor:
    """Logits whose softmax is the mean of the distributions of several teachers; of one teacher, its own logits.

    The first teacher's logits are overwritten, and at most one other teacher's logits are held beside them. The
    mean of several teachers in half precision is in single precision: log-probabilities lose more by rounding than
    logits.

    Args:
        logits: batch × target length × vocabulary per teacher; an iterator may compute each when it is asked for.

    Returns:
        Batch × target length × vocabulary.
    """
    every = iter(logits)
    total = next(every)
    rows = total.view(-1, total.size(-1))  # (batch · length) × vocabulary
    teachers = 1
    for other in every:
        if teachers == 1:  # from here on, rows hold the log of the sum of the teachers' distributions
            total = total.float()
            rows = total.view(rows.shape)
        others = other.reshape(rows.shape)  # (batch · length) × vocabulary
        for chunk in _chunks(rows):
            own = torch.log_softmax(rows[chunk], dim=1) if teachers == 1 else rows[chunk]
            rows[chunk] = torch.logaddexp(own, torch.log_softmax(others[chunk].float(), dim=1))
        teachers += 1
        del other, others  # release them before the next teacher computes its logits
    return total


@torch.no_grad()
def soft_targets(logits: Tensor, temperature: float = 1.0, topk: int = 0) -> SoftTargets:
    """A teacher's distributions at a temperature, reduced to the *topk* most probable words.

    A temperature T makes probabilities proportional to their T-th root ([kim2016] footnote 4). The probabilities of
    the *topk* words are scaled to sum to 1. The logits are overwritten; the only other memory is one chunk.

    Args:
        logits: batch × target length × vocabulary, or tokens × vocabulary.
        temperature: T, above 0.
        topk: the number of words to keep; 0 keeps all.

    Example:
        >>> targets = soft_targets(torch.randn(4, 5, 100), temperature=2.0, topk=8)  # 4 sentences of 5 words
        >>> targets.rows(slice(0, 5)).probabilities.shape  # those of the first sentence
        torch.Size([5, 8])
    """
    rows = logits.reshape(-1, logits.size(-1))  # tokens × vocabulary
    if topk > 0:
        return _TopWords(*_most_probable(rows, temperature, topk))
    if rows.dtype in (torch.float16, torch.bfloat16):
        partitions = [torch.logsumexp(_softened(rows[chunk], temperature), dim=1) for chunk in _chunks(rows)]
        return _AllWordsInHalf(rows, temperature, torch.cat(partitions))  # chunks of rows: tokens
    for chunk in _chunks(rows):
        rows[chunk] = torch.softmax(_softened(rows[chunk], temperature), dim=1)
    return _AllWords(rows)


def _most_probable(rows: Tensor, temperature: float, topk: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Probabilities and words, tokens × k, and the total probability of the other words, tokens."""
    kept, words, dropped = [], [], []
    for chunk in _chunks(rows):
        top, indices = torch.softmax(_softened(rows[chunk], temperature), dim=1).topk(topk, dim=1)  # rows × k
        mass = top.sum(dim=1, keepdim=True)  # rows × 1
        kept.append(top / mass)
        words.append(indices)
        dropped.append(1.0 - mass.squeeze(1))
    return torch.cat(kept), torch.cat(words), torch.cat(dropped)


def _softened(logits: Tensor, temperature: float) -> Tensor:
    """The logits of the distributions at *temperature*, in single precision."""
    scores = logits.float()
    return scores if temperature == 1 else scores / temperature


def _chunks(rows: Tensor) -> Iterator[slice]:
    return row_chunks(rows.size(0), rows.size(1), rows.device, small=True)
