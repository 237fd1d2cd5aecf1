"""A teacher's distributions over the vocabulary, the targets of distillation."""

from typing import Iterable, Iterator, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor

CHUNK_ELEMENTS = 2**20  # probabilities formed at a time


class DenseRows(NamedTuple):
    """The whole distributions of some tokens."""

    probabilities: Tensor  # rows × vocabulary

    def expectation(self, scores: Tensor) -> Tensor:
        """Σ_v q(v) · *scores*(v) of every row; scores are rows × vocabulary."""
        with torch.autocast(scores.device.type, enabled=False):  # which would round the sum
            return torch.einsum("rv,rv->r", self.probabilities.to(scores.dtype), scores)

    def subtract_from(self, scores: Tensor, factor: float) -> None:
        """Take *factor* times the probabilities from *scores*, in place."""
        scores.sub_(self.probabilities, alpha=factor)


class SparseRows(NamedTuple):
    """The most probable words of some tokens; all others have probability 0."""

    probabilities: Tensor  # rows × k
    words: Tensor  # rows × k

    def expectation(self, scores: Tensor) -> Tensor:
        """See :meth:`DenseRows.expectation`."""
        return (scores.gather(1, self.words) * self.probabilities).sum(dim=1)

    def subtract_from(self, scores: Tensor, factor: float) -> None:
        """See :meth:`DenseRows.subtract_from`."""
        scores.scatter_add_(1, self.words, (self.probabilities * -factor).to(scores.dtype))


Rows = Union[DenseRows, SparseRows]


class SoftTargets:
    """The distributions of all tokens of a batch, (batch · target length) of them, one per row."""

    dropped: Optional[Tensor] = None  # tokens: the probability that words left out had together

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        """The distributions of some tokens."""
        raise NotImplementedError


class _AllWords(SoftTargets):
    def __init__(self, probabilities: Tensor) -> None:
        self.probabilities = probabilities  # tokens × vocabulary

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        return DenseRows(self.probabilities[index])


class _AllWordsInHalf(SoftTargets):
    """Kept as logits: half precision has no place for small probabilities, which are formed when they are needed."""

    def __init__(self, logits: Tensor, temperature: float, log_partitions: Tensor) -> None:
        self.logits = logits  # tokens × vocabulary
        self.temperature = temperature
        self.log_partitions = log_partitions  # tokens: of the softened logits

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        shifts = -self.log_partitions[index].unsqueeze(1)
        return DenseRows(torch.add(shifts, self.logits[index], alpha=1 / self.temperature).exp_())


class _TopWords(SoftTargets):
    def __init__(self, probabilities: Tensor, words: Tensor, dropped: Tensor) -> None:
        self.probabilities, self.words = probabilities, words  # tokens × k
        self.dropped = dropped

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        return SparseRows(self.probabilities[index], self.words[index])


@torch.no_grad()
def mean_logits(logits: Iterable[Tensor]) -> Tensor:
    """Logits whose softmax is the mean of the distributions of several teachers; those of one are left as they are.

    The memory of the first logits is used up, and never more than those of one other teacher are held beside it. The
    mean of several in half precision comes in single precision: log-probabilities lose more by rounding than logits.

    Args:
        logits: of each teacher, batch × target length × vocabulary, formed as they are asked for.
    """
    every = iter(logits)
    total = next(every)
    rows = total.view(-1, total.size(-1))
    teachers = 1
    for other in every:
        if teachers == 1:
            total = total.float()
            rows = total.view(rows.shape)
        others = other.reshape(rows.shape)
        for chunk in _chunks(rows):
            own = torch.log_softmax(rows[chunk], dim=1) if teachers == 1 else rows[chunk]
            rows[chunk] = torch.logaddexp(own, torch.log_softmax(others[chunk].float(), dim=1))
        teachers += 1
        del other, others  # before the next teacher speaks
    return total


@torch.no_grad()
def soft_targets(logits: Tensor, temperature: float = 1.0, topk: int = 0) -> SoftTargets:
    """A teacher's distributions, softened, and cut to the *topk* most probable words.

    A temperature T makes them proportional to their T-th root (sequence_kd, footnote 4). What *topk* leaves is scaled
    to sum 1. The memory of the logits is used up; beside them there is never more than one chunk.

    Args:
        logits: batch × target length × vocabulary, or tokens × vocabulary.
        temperature: T, above 0.
        topk: the number of words to keep; 0 keeps all.
    """
    rows = logits.reshape(-1, logits.size(-1))
    if topk > 0:
        return _TopWords(*_most_probable(rows, temperature, topk))
    if rows.dtype in (torch.float16, torch.bfloat16):
        partitions = [torch.logsumexp(_softened(rows[chunk], temperature), dim=1) for chunk in _chunks(rows)]
        return _AllWordsInHalf(rows, temperature, torch.cat(partitions))
    for chunk in _chunks(rows):
        rows[chunk] = torch.softmax(_softened(rows[chunk], temperature), dim=1)
    return _AllWords(rows)


def _most_probable(rows: Tensor, temperature: float, topk: int) -> Tuple[Tensor, Tensor, Tensor]:
    kept, words, dropped = [], [], []
    for chunk in _chunks(rows):
        top, indices = torch.softmax(_softened(rows[chunk], temperature), dim=1).topk(topk, dim=1)
        mass = top.sum(dim=1, keepdim=True)
        kept.append(top / mass)
        words.append(indices)
        dropped.append(1.0 - mass.squeeze(1))
    return torch.cat(kept), torch.cat(words), torch.cat(dropped)


def _softened(logits: Tensor, temperature: float) -> Tensor:
    scores = logits.float()
    return scores if temperature == 1 else scores / temperature


def _chunks(rows: Tensor) -> Iterator[slice]:
    size = max(1, CHUNK_ELEMENTS // rows.size(1))
    return (slice(start, start + size) for start in range(0, rows.size(0), size))
