"""Confidence intervals of an effect that was measured on sentences and with seeds, and the data that a decision needs.

An effect, such as a difference in BLEU, has two independent sources of chance: the test sentences, which all systems
and seeds share, and the seeds. Its variance is the sum of two parts:

    sentences   the variance of the effect, averaged over the seeds, over resamples of the sentences (bootstrap)
    seeds       the sample variance of the seeds' effects, divided by the number of seeds

The interval is Student's, with Satterthwaite's degrees of freedom: (n - 1) * (variance / seeds' part)**2. Seeds are not
resampled: of two or three there are only n**n samples, and their variance is too small by the factor (n - 1) / n.
"""

import math
from functools import lru_cache
from typing import NamedTuple, Optional, Sequence

import numpy

LEVEL = 0.95
POWER_QUANTILE = 0.8416  # a normal variable is below it with probability 0.8
MOST_SEEDS = 100  # a decision that needs more is out of reach


class Estimate(NamedTuple):
    """An effect, and what its uncertainty consists of."""

    value: float
    seeds: int
    seed_variance: float  # of one seed's effect; 0 if all seeds have the same
    sentences: int = 0  # 0: the measurement has no sentences to resample
    sentence_variance: float = 0.0  # of the effect averaged over the seeds, for this number of sentences


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


class Needed(NamedTuple):
    """The data that would decide with probability 0.8 if the effect and its variances stayed as they are."""

    seeds: Optional[int]  # with as many sentences as now; None: more than MOST_SEEDS
    sentences: Optional[int]  # with as many seeds as now; None: no number of sentences is enough


def estimate(effects: Sequence[float], sentence_variance: float = 0.0, sentences: int = 0) -> Estimate:
    """Return the mean effect and its variances.

    Args:
        effects: one per seed.
        sentence_variance: of the mean effect, over resamples of the sentences.
        sentences: number of test sentences.

    Raises:
        ValueError: there is no effect.
    """
    if not len(effects):
        raise ValueError("effects: expected at least one, got none")
    variance = float(numpy.var(effects, ddof=1)) if len(effects) > 1 else 0.0
    return Estimate(float(numpy.mean(effects)), len(effects), variance, sentences, sentence_variance)


def interval(found: Estimate, level: float = LEVEL) -> Optional[Interval]:
    """Return the confidence interval; ``None`` for one seed, whose variance is unknown."""
    if found.seeds < 2:
        return None
    half = _half_width(found, level)
    return Interval(found.value - half, found.value + half)


def _half_width(found: Estimate, level: float, power: float = 0.0) -> float:
    seeds_part = found.seed_variance / found.seeds
    variance = found.sentence_variance + seeds_part
    if variance == 0:
        return 0.0
    freedom = (found.seeds - 1) * (variance / seeds_part) ** 2 if seeds_part > 0 else math.inf
    return (student_quantile(min(freedom, 1e4), level) + power) * math.sqrt(variance)


@lru_cache(maxsize=None)
def student_quantile(freedom: float, level: float) -> float:
    """Return t such that Student's variable is within ±t with probability *level*.

    With x = sqrt(freedom) * tan(angle), the density becomes proportional to cos(angle)**(freedom - 1), which is summed
    numerically; *freedom* need not be an integer.
    """
    angles = numpy.linspace(0, math.pi / 2, 4001)
    density = numpy.cos(angles) ** (freedom - 1)
    probability = numpy.concatenate([[0.0], numpy.cumsum((density[1:] + density[:-1]) / 2)])
    return math.sqrt(freedom) * math.tan(numpy.interp(level * probability[-1], probability, angles))


def needed(found: Estimate, distance: float) -> Needed:
    """Return how many seeds, or how many sentences, decide with probability 0.8.

    Within ``distance`` of the estimate lies the value that the interval must leave out. The numbers are the smallest
    for which (t + 0.84) * sqrt(sentences' part + seeds' part) <= distance, where the sentences' part shrinks as
    1 / sentences and the seeds' part as 1 / seeds.
    """

    def decides(seeds: int, times: float) -> bool:
        planned = found._replace(seeds=seeds, sentence_variance=found.sentence_variance / times)
        return _half_width(planned, LEVEL, POWER_QUANTILE) <= distance

    seeds = next((n for n in range(max(2, found.seeds), MOST_SEEDS + 1) if decides(n, 1.0)), None)
    sentences = None
    if found.sentences and found.seeds > 1 and distance > 0:
        factors = (1.1**exponent for exponent in range(1, 73))  # up to a thousand times as many
        times = next((factor for factor in factors if decides(found.seeds, factor)), None)
        sentences = None if times is None else math.ceil(found.sentences * times)
    return Needed(seeds, sentences)
