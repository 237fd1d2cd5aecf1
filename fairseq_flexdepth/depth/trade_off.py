"""Quality against time: the Pareto front, the best within a time limit, the fastest allowed, the rule for ties."""

from typing import Any, List, Optional, Sequence

Array = Any  # a NumPy array or a torch Tensor


def fastest_of_best(quality: Array, fastest_first: Array) -> Array:
    """Position of the system with the highest quality; if several have it, position of the fastest of them.

    Every choice of a depth breaks ties by this rule: the oracle of sentences ([dabre2020] §4.1) as well as the best
    depth pair within a time limit.

    Args:
        quality: ... × systems. Only the systems in *fastest_first* are considered.
        fastest_first: positions of systems, the fastest first; an integer array of the same library as *quality*.

    Returns:
        One position for each entry of the leading axes.
    """
    return fastest_first[quality[..., fastest_first].argmax(-1)]  # argmax takes the first maximum: the fastest


def best_within(quality: Sequence[float], seconds: Sequence[float], limit: float) -> Optional[int]:
    """Position of the best system that takes at most *limit* seconds; ``None`` if every system takes longer.

    If several are equally good, the fastest of them wins; if these are equally fast, the first of them.
    """
    within = (position for position in range(len(seconds)) if seconds[position] <= limit)
    fast_enough = sorted(within, key=lambda position: seconds[position])
    # max takes the first maximum, the fastest, as fastest_of_best does with arrays
    return max(fast_enough, key=lambda position: quality[position]) if fast_enough else None


def fastest_allowed(quality: Sequence[float], seconds: Sequence[float], allowed: Sequence[bool]) -> int:
    """Position of the fastest of the *allowed* systems, of which there is at least one.

    If several are equally fast, the best of them wins.
    """
    positions = (position for position in range(len(seconds)) if allowed[position])
    return min(positions, key=lambda position: (seconds[position], -quality[position]))


def pareto_front(quality: Sequence[float], seconds: Sequence[float]) -> List[int]:
    """Positions of the systems on the Pareto front, the fastest first.

    A system is on the front if it is better than every faster system and every other system that is equally fast. Of
    systems that are equally good and equally fast only the first is on it.
    """
    front: List[int] = []
    for position in sorted(range(len(quality)), key=lambda position: (seconds[position], -quality[position])):
        if not front or quality[position] > quality[front[-1]]:
            front.append(position)
    return front
