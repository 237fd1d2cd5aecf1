"""Seeded choices that are the same on every Python.

Only ``random.Random.random`` is used: Python promises its sequence for a given seed, and
promises nothing about ``choice``, ``shuffle`` or ``sample``.
"""

import random
from typing import Sequence, Tuple, TypeVar

T = TypeVar("T")


class Draw:
    """A stream of random choices, fully determined by ``seed``."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Draw one item; all are equally likely."""
        if not items:
            raise ValueError("pick: expected at least one item, got none")
        return items[int(self._random.random() * len(items))]

    def weighted(self, items: Sequence[Tuple[T, float]]) -> T:
        """Draw one item of ``(item, weight)`` pairs, with probability proportional to its weight."""
        remaining = self._random.random() * sum(weight for _, weight in items)
        for item, weight in items:
            remaining -= weight
            if remaining < 0:
                return item
        return items[-1][0]
