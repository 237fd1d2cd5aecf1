"""The verdict on a finding: held, contradicted or undecided.

The smallest effect that matters, d, and the 95 % interval of the effect decide each part:

    claim       held                                        contradicted
    above       interval above 0, and estimate at least d   interval below d: an effect that matters is excluded
    equal       interval within -d and d                    interval outside of -d to d
    not below   interval above -d                           interval below -d

A finding holds if all of its parts do, at 95 % each. It is contradicted if one part is, at level 1 - 0.05 / parts, so
that more parts do not make chance contradictions more probable. Otherwise it is undecided.
"""

from typing import Dict, List, NamedTuple, Optional

from recipes.findings.intervals import LEVEL, Estimate, Interval, Needed, interval, needed

HELD, CONTRADICTED, UNDECIDED = "held", "contradicted", "undecided"


class PartVerdict(NamedTuple):
    """The verdict on one comparison."""

    verdict: str
    interval: Optional[Interval]  # None if the variance over seeds is unknown
    needed: Optional[Needed]  # to decide; None if it is decided, or if one seed was measured


def judge(found: Estimate, claim: str, smallest: float, exact: bool = False, parts: int = 1) -> PartVerdict:
    """Return the verdict on one comparison.

    Args:
        found: the effect.
        claim: above, equal or not below.
        smallest: the smallest effect that matters.
        exact: the effect has no uncertainty.
        parts: number of comparisons of the finding.
    """
    usual, strict = (
        Interval(found.value, found.value) if exact else interval(found, level)
        for level in (LEVEL, 1 - (1 - LEVEL) / parts)
    )
    if usual is None or strict is None:
        return PartVerdict(UNDECIDED, None, None)
    if _excluded(strict, claim, smallest):
        return PartVerdict(CONTRADICTED, usual, None)
    if _established(usual, found.value, claim, smallest):
        return PartVerdict(HELD, usual, None)
    return PartVerdict(UNDECIDED, usual, needed(found, _distance(found.value, claim, smallest)))


def _established(found: Interval, value: float, claim: str, smallest: float) -> bool:
    if claim == "above":
        return found.low > 0 and value >= smallest
    return found.low > -smallest and (claim == "not below" or found.high < smallest)


def _excluded(found: Interval, claim: str, smallest: float) -> bool:
    if claim == "above":
        return found.high < smallest
    return found.high < -smallest or (claim == "equal" and found.low > smallest)


def _distance(value: float, claim: str, smallest: float) -> float:
    """Return the distance from the estimate to the value that the interval must leave out for a decision."""
    if claim == "above":
        return value if value >= smallest else smallest - value
    return abs(value + smallest) if claim == "not below" else abs(smallest - abs(value))


def combined(verdicts: List[str]) -> str:
    """Return the verdict on a finding, from those on its parts."""
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return HELD if verdicts and set(verdicts) == {HELD} else UNDECIDED


def counts(verdicts: List[str]) -> Dict[str, int]:
    """Return how many findings have each verdict."""
    return {verdict: verdicts.count(verdict) for verdict in (HELD, CONTRADICTED, UNDECIDED)}
