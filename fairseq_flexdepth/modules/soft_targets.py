"""A teacher's distributions over the vocabulary, the targets of distillation."""

from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor

CHUNK_ELEMENTS = 2**20  # probabilities formed at a time


class DenseRows(NamedTuple):
    """The whole distributions of some tokens."""

    probabilities: Tensor  # rows × vocabulary

    def expectation(self, scores: Tensor) -> Tensor:
        """Σ_v q(v) · *scores*(v) of every row; scores are rows × vocabulary."""
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
def soft_targets(logits: Sequence[Tensor], temperature: float = 1.0, topk: int = 0) -> SoftTargets:
    """The mean of the distributions of several teachers, softened, and cut to the *topk* most probable words.

    A temperature T makes it proportional to its T-th root (sequence_kd, footnote 4). What *topk* leaves is scaled to
    sum 1. The memory of the first logits is used up; beside the logits there is never more than one chunk.

    Args:
        logits: of each teacher, batch × target length × vocabulary, or tokens × vocabulary.
        temperature: T, above 0.
        topk: the number of words to keep; 0 keeps all.
    """
    first, *others = [one.reshape(-1, one.size(-1)) for one in logits]
    kept, words, dropped = [], [], []
    rows = max(1, CHUNK_ELEMENTS // first.size(1))
    for start in range(0, first.size(0), rows):
        chunk = slice(start, start + rows)
        probabilities = _mean_distribution([one[chunk] for one in (first, *others)], temperature)
        if topk == 0:
            first[chunk] = probabilities
            continue
        top, indices = probabilities.topk(topk, dim=1)
        mass = top.sum(dim=1, keepdim=True)
        kept.append(top / mass)
        words.append(indices)
        dropped.append(1.0 - mass.squeeze(1))
    if topk == 0:
        return SoftTargets(first)
    return SoftTargets(torch.cat(kept), torch.cat(words), torch.cat(dropped))


def _mean_distribution(logits: Sequence[Tensor], temperature: float) -> Tensor:
    """Rows × vocabulary, in single precision."""
    scores = logits[0].float()
    if len(logits) > 1:
        distributions = [torch.log_softmax(one.float(), dim=1) for one in logits]
        scores = torch.logsumexp(torch.stack(distributions), dim=0)
    return torch.softmax(scores if temperature == 1 else scores / temperature, dim=1)
