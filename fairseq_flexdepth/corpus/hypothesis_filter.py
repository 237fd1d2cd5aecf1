"""Which of a teacher's hypotheses a student learns from: sequence-level distillation (Kim & Rush, 2016).

Section 3.2 trains on the best hypothesis (``best``) or, in footnote 5, on the whole k-best list with its
renormalised probabilities (``all``). Section 3.3 trains on the reference and the best hypothesis (``mixture``) or
on the hypothesis closest to the reference (``sentence-bleu``).
"""

import math
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from fairseq_flexdepth.corpus.scores import BleuText

SELECTIONS = ("best", "sentence-bleu", "all", "mixture")
NEED_REFERENCES = ("sentence-bleu", "mixture")
# What a single translation is judged by.
SENTENCE_METRICS = ("chrf", "bleu")
# Why a source has no place in the distilled data.
REASONS = ("length", "ratio", "empty", "unknown")


class Target(NamedTuple):
    """One translation of a source."""

    tokens: List[int]  # the end of sentence included
    log_probability: float = 0.0  # of all tokens, not divided by their number
    cut_off: bool = False  # at the greatest length, where beam search can only end


class Outcome(NamedTuple):
    """What became of a source: the reason why it is dropped, or its targets and perhaps their weights."""

    source: int  # its number in the data
    reason: Optional[str]
    targets: List[List[int]]
    weights: List[float]


class Filters(NamedTuple):
    """Which pairs are dropped; lengths are in tokens without the end of sentence."""

    max_length: Optional[int] = None
    max_ratio: Optional[float] = None
    unknown: Optional[int] = None  # the token that no hypothesis may hold

    def reason(self, source_length: int, target: Target) -> Optional[str]:
        """Why to drop the pair; ``None`` to keep it."""
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
    """The first target of each token sequence."""
    unique: Dict[Tuple[int, ...], Target] = {}
    for target in targets:
        unique.setdefault(tuple(target.tokens), target)
    return list(unique.values())


def renormalised(log_probabilities: Sequence[float]) -> List[float]:
    """Probabilities in proportion to the given ones, summing to 1 (footnote 5)."""
    greatest = max(log_probabilities)
    shares = [math.exp(value - greatest) for value in log_probabilities]
    total = math.fsum(shares)
    return [share / total for share in shares]


def closest(texts: Sequence[str], closeness: Callable[[str], float]) -> int:
    """The position of the text that is closest; of equally close ones the first, which the model likes best."""
    scores = {text: closeness(text) for text in dict.fromkeys(texts)}
    return max(range(len(texts)), key=lambda position: scores[texts[position]])


def keep_all_or_none(targets: Sequence[Target], reasons: Sequence[Optional[str]]) -> List[Target]:
    """The targets, if nothing speaks against any of them."""
    return [] if any(reasons) else list(targets)


def keep_some(targets: Sequence[Target], reasons: Sequence[Optional[str]]) -> List[Target]:
    """The targets that nothing speaks against."""
    return [target for target, reason in zip(targets, reasons) if reason is None]


def sentence_bleu(text: BleuText) -> Callable[[str, str], float]:
    """sacrebleu's smoothed BLEU of a sentence, of the orders that the sentence has."""
    metric = text.metric(effective_order=True)

    def score(hypothesis: str, reference: str) -> float:
        prepared = text.prepared([hypothesis, reference])
        return metric.sentence_score(prepared[0], prepared[1:]).score

    return score


def sentence_chrf() -> Callable[[str, str], float]:
    """sacrebleu's chrF of a sentence."""
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return lambda hypothesis, reference: metric.sentence_score(hypothesis, [reference]).score
