"""Sub-networks: which layer positions run when a depth is asked for, and how good such an assignment is."""

from statistics import pstdev, stdev
from typing import Callable, Dict, Sequence, Tuple

Subnetworks = Dict[int, Tuple[int, ...]]


def head(layers: int, depths: Sequence[int]) -> Subnetworks:
    """The first *d* layers serve depth *d* (tied_multi §3.1; flexible_depth's ``Head``)."""
    return {depth: tuple(range(1, depth + 1)) for depth in sorted(depths)}


_ASSIGNMENTS: Dict[str, Callable[[int, Sequence[int]], Subnetworks]] = {"head": head}
STRATEGIES = tuple(_ASSIGNMENTS)


def assign_subnetworks(strategy: str, layers: int, depths: Sequence[int]) -> Subnetworks:
    """The layer positions (from 1, ascending) of every depth, depths in ascending order.

    Raises:
        ValueError: the strategy is unknown, or a depth does not fit the stack.
    """
    if strategy not in _ASSIGNMENTS:
        raise ValueError(f"--subnetworks {strategy}: expected one of {', '.join(STRATEGIES)}")
    if not depths or min(depths) < 1 or max(depths) > layers:
        raise ValueError(f"depths {','.join(map(str, depths))}: must lie between 1 and {layers}, the number of layers")
    return _ASSIGNMENTS[strategy](layers, depths)


def task_balance(subnetworks: Subnetworks, layers: int, divisor: str = "sample") -> float:
    """How unevenly the depths use the layers: the standard deviation of the number of depths a layer serves.

    flexible_depth's Eq. 5 divides by *layers* (``population``), its Table 3 by *layers* − 1 (``sample``).

    Raises:
        ValueError: the divisor is unknown, or ``sample`` is asked for a single layer.
    """
    if divisor not in ("sample", "population"):
        raise ValueError(f"divisor {divisor}: expected sample or population")
    if divisor == "sample" and layers < 2:
        raise ValueError(f"task balance with divisor layers - 1: expected at least 2 layers, given {layers}")
    uses = [sum(position in used for used in subnetworks.values()) for position in range(1, layers + 1)]
    return stdev(uses) if divisor == "sample" else pstdev(uses)


def average_layer_distance(subnetworks: Subnetworks) -> float:
    """The mean distance between neighbouring layers over all sub-networks (flexible_depth, Eq. 6).

    0 where no sub-network has two layers.
    """
    distances = [after - before for used in subnetworks.values() for before, after in zip(used, used[1:])]
    return sum(distances) / len(distances) if distances else 0.0
