"""Quality against time: which of many systems are worth having."""

from typing import List, Optional, Sequence


def pareto_front(quality: Sequence[float], seconds: Sequence[float]) -> List[int]:
    """The positions, fastest first, of those that no other beats: none is as good and as fast, and better in one.

    Of equals the first is kept.
    """
    by_speed = sorted(range(len(quality)), key=lambda position: (seconds[position], -quality[position]))
    front: List[int] = []
    for position in by_speed:
        if not front or quality[position] > quality[front[-1]]:
            front.append(position)
    return front


def best_within(quality: Sequence[float], seconds: Sequence[float], limit: float) -> Optional[int]:
    """The position of the best that takes at most *limit* seconds, of equals the fastest; ``None`` if all take more."""
    fast_enough = [position for position in range(len(quality)) if seconds[position] <= limit]
    if not fast_enough:
        return None
    return max(fast_enough, key=lambda position: (quality[position], -seconds[position]))
