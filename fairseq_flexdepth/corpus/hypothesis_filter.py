"""The hypothesis filters of sequence-level distillation [kim2016]: the translations that a student is trained on.

``--select best`` keeps the teacher's best hypothesis, ``all`` the whole k-best list with renormalised probabilities as
weights (§3.2, footnote 5), ``mixture`` the reference and the best hypothesis, ``sentence-bleu`` the hypothesis closest
to the reference (§3.3). Further rules drop pairs by their lengths or for an unknown word.
"""

import math
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

# The choices of --select.
HYPOTHESIS_FILTERS = ("best", "sentence-bleu", "all", "mixture")
NEED_REFERENCES = ("sentence-bleu", "mixture")
NEED_ALL = ("sentence-bleu", "all")  # the other filters look at the best hypothesis alone
# The reasons for which a source is dropped from the distilled data.
REASONS = ("length", "ratio", "empty", "unknown")


class Target(NamedTuple):
    """One translation of a source: a hypothesis of the teacher or the reference."""

    tokens: List[int]  # with the end symbol
    log_probability: float = 0.0  # sum over the tokens, not normalised by length
    cut_off: bool = False  # whether beam search had to end at its greatest length


class FilteredSource(NamedTuple):
    """A source after the hypothesis filter: its targets, or the reason for which it is dropped."""

    source: int  # its number in the data
    reason: Optional[str]  # one of REASONS; None if the source is kept
    targets: List[List[int]]  # tokens of each target
    weights: List[float]  # one per target; empty: all weights are 1


class DropRules(NamedTuple):
    """The rules by which pairs of source and target are dropped; lengths are in tokens without the end symbol."""

    max_length: Optional[int] = None  # of either side
    max_ratio: Optional[float] = None  # of the longer side to the shorter
    unknown: Optional[int] = None  # the token that no target may contain

    def reason(self, source_length: int, target: Target) -> Optional[str]:
        """The reason for which this pair is dropped, one of ``REASONS``; ``None`` if it is kept."""
        shorter, longer = sorted((source_length, len(target.tokens) - 1))
        if shorter == 0:
            return "empty"
        if target.cut_off or (self.max_length is not None and longer > self.max_length):
            return "length"
        if self.max_ratio is not None and longer > self.max_ratio * shorter:
            return "ratio"
        if self.unknown in target.tokens:
            return "unknown"
        return None


def without_duplicates(targets: Sequence[Target]) -> List[Target]:
    """*targets* without duplicates: of several targets with the same tokens the first is kept."""
    unique: Dict[Tuple[int, ...], Target] = {}
    for target in targets:
        unique.setdefault(tuple(target.tokens), target)
    return list(unique.values())


def renormalised(log_probabilities: Sequence[float]) -> List[float]:
    """The softmax of *log_probabilities*: weights that sum to 1 over a k-best list [kim2016] §3.2, footnote 5."""
    greatest = max(log_probabilities)
    shares = [math.exp(value - greatest) for value in log_probabilities]
    total = math.fsum(shares)
    return [share / total for share in shares]


def closest(texts: Sequence[str], closeness: Callable[[str], float]) -> int:
    """The position of the text with the greatest closeness; if several have it, the first, which is most probable."""
    scores = {text: closeness(text) for text in dict.fromkeys(texts)}
    return max(range(len(texts)), key=lambda position: scores[texts[position]])


def keep_all_or_none(targets: Sequence[Target], reasons: Sequence[Optional[str]]) -> List[Target]:
    """All *targets* if none is to be dropped, else an empty list; *reasons* has one element per target."""
    return [] if any(reasons) else list(targets)


def keep_some(targets: Sequence[Target], reasons: Sequence[Optional[str]]) -> List[Target]:
    """The *targets* that are not to be dropped; *reasons* has one element per target."""
    return [target for target, reason in zip(targets, reasons) if reason is None]
