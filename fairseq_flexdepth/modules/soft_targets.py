"""A teacher's distributions over the vocabulary, the targets of distillation."""

from typing import Iterable, Iterator, NamedTuple, Optional, Union

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
    """The distributions of all tokens of a batch, (batch · target length) of them, one a row.

    Args:
        probabilities: tokens × vocabulary, or tokens × k with *words*.
        words: tokens × k, the words that the probabilities are of.
        dropped: tokens, the probability that the words left out had together.
    """

    def __init__(self, probabilities: Tensor, words: Optional[Tensor] = None, dropped: Optional[Tensor] = None) -> None:
        self.probabilities, self.words, self.dropped = probabilities, words, dropped

    def rows(self, index: Union[slice, Tensor]) -> Rows:
        """The distributions of some tokens."""
        if self.words is None:
            return DenseRows(self.probabilities[index])
        return SparseRows(self.probabilities[index], self.words[index])


@torch.no_grad()
def mean_logits(logits: Iterable[Tensor]) -> Tensor:
    """Logits whose softmax is the mean of the distributions of several teachers; those of one are left as they are.

    The memory of the first logits is used up, and never more than those of one other teacher are held beside it.

    Args:
        logits: of each teacher, batch × target length × vocabulary, formed as they are asked for.
    """
    every = iter(logits)
    total = next(every)
    rows = total.view(-1, total.size(-1))
    teachers = 1
    for other in every:
        others = other.reshape(rows.shape)
        for chunk in _chunks(rows):
            own = rows[chunk].float()
            own = torch.log_softmax(own, dim=1) if teachers == 1 else own
            rows[chunk] = torch.logaddexp(own, torch.log_softmax(others[chunk].float(), dim=1)).to(rows.dtype)
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
    kept, words, dropped = [], [], []
    for chunk in _chunks(rows):
        scores = rows[chunk].float()
        probabilities = torch.softmax(scores if temperature == 1 else scores / temperature, dim=1)
        if topk == 0:
            rows[chunk] = probabilities.to(rows.dtype)
            continue
        top, indices = probabilities.topk(topk, dim=1)
        mass = top.sum(dim=1, keepdim=True)
        kept.append(top / mass)
        words.append(indices)
        dropped.append(1.0 - mass.squeeze(1))
    if topk == 0:
        return SoftTargets(rows)
    return SoftTargets(torch.cat(kept), torch.cat(words), torch.cat(dropped))


def _chunks(rows: Tensor) -> Iterator[slice]:
    size = max(1, CHUNK_ELEMENTS // rows.size(1))
    return (slice(start, start + size) for start in range(0, rows.size(0), size))
