"""Sub-networks: which layer positions run when a depth is asked for, and how good such an assignment is."""

from statistics import pstdev, stdev
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

Subnetworks = Dict[int, Tuple[int, ...]]


def head(layers: int, depths: Sequence[int]) -> Subnetworks:
    """The first *d* layers serve depth *d* (tied_multi §3.1; flexible_depth's ``Head``)."""
    return {depth: tuple(range(1, depth + 1)) for depth in sorted(depths)}


def seq(layers: int, depths: Sequence[int]) -> Subnetworks:
    """From the smallest depth on, each takes the layers after those of the one before, round and round.

    flexible_depth §4.2, ``Seq``.
    """
    subnetworks, used = {}, 0
    for depth in sorted(depths):
        subnetworks[depth] = tuple(sorted((used + step) % layers + 1 for step in range(depth)))
        used += depth
    return subnetworks


def left(layers: int, depths: Sequence[int]) -> Subnetworks:
    """The first layer of each of *d* chunks, as LayerDrop prunes (flexible_depth, Eq. 3 as its text means it)."""
    return {depth: tuple(chunk[0] for chunk in _chunks(layers, depth)) for depth in sorted(depths)}


def middle_left(layers: int, depths: Sequence[int]) -> Subnetworks:
    """The middle layer of each of *d* chunks, the left one of two (flexible_depth §3, ``MiddleLeft``)."""
    return {depth: tuple(map(_middle, _chunks(layers, depth))) for depth in sorted(depths)}


def optimal(layers: int, depths: Sequence[int]) -> Subnetworks:
    """As ``middle_left``, but from the largest depth on, and no layer serves again while enough others are left.

    Each chunk gives its unused layer nearest to the middle, of two the right one. A depth with a chunk all of whose
    layers are used waits; when none can be served, all layers count as unused again (flexible_depth §3,
    ``Optimal``).
    """
    subnetworks: Subnetworks = {}
    waiting = sorted(depths, reverse=True)
    alive = set(range(1, layers + 1))
    while waiting:
        served = []
        for depth in waiting:
            chunks = _chunks(layers, depth)
            if all(alive.intersection(chunk) for chunk in chunks):
                subnetworks[depth] = tuple(_nearest(alive.intersection(chunk), _middle(chunk)) for chunk in chunks)
                alive.difference_update(subnetworks[depth])
                served.append(depth)
        waiting = [depth for depth in waiting if depth not in served]
        if not served:
            alive = set(range(1, layers + 1))
    return {depth: subnetworks[depth] for depth in sorted(depths)}


def _chunks(layers: int, depth: int) -> List[range]:
    """The layers in *depth* consecutive parts, as equal as can be."""
    return [range(part * layers // depth + 1, (part + 1) * layers // depth + 1) for part in range(depth)]


def _middle(chunk: range) -> int:
    return chunk[(len(chunk) - 1) // 2]


def _nearest(candidates: Set[int], position: int) -> int:
    return min(candidates, key=lambda candidate: (abs(candidate - position), -candidate))


_ASSIGNMENTS: Dict[str, Callable[[int, Sequence[int]], Subnetworks]] = {
    "head": head,
    "seq": seq,
    "left": left,
    "middle_left": middle_left,
    "optimal": optimal,
}
STRATEGIES = tuple(_ASSIGNMENTS)
WRAPPING = ("seq",)  # strategies in whose sub-networks the first layer may follow the last


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


def average_layer_distance(subnetworks: Subnetworks, wraps_at: Optional[int] = None) -> float:
    """The mean distance between neighbouring layers over all sub-networks (flexible_depth, Eq. 6).

    Args:
        subnetworks: the layer positions of every depth.
        wraps_at: the number of layers, where a sub-network goes on with the first layer after the last (``seq``):
            these two then are neighbours, as in the paper's Table 3.

    Returns:
        0 where no sub-network has two layers.
    """
    distances = []
    for used in subnetworks.values():
        gaps = [after - before for before, after in zip(used, used[1:])]
        if wraps_at is not None and gaps and max(gaps) > 1:
            gaps[gaps.index(max(gaps))] = used[0] + wraps_at - used[-1]
        distances += gaps
    return sum(distances) / len(distances) if distances else 0.0
