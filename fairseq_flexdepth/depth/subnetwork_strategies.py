"""Sub-networks: the strategies that choose which layer positions run at each depth, and measures of an assignment.

A new strategy is a function here and an entry in ``_ASSIGNMENTS``, under its name in ``--subnetworks``.
"""

from statistics import pstdev, stdev
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

Subnetworks = Dict[int, Tuple[int, ...]]  # depth → layer positions, from 1


def head(layers: int, depths: Sequence[int]) -> Subnetworks:
    """Depth d runs the first d layers ([dabre2020] §3.1; ``Head`` of [wang2020])."""
    return {depth: tuple(range(1, depth + 1)) for depth in sorted(depths)}


def seq(layers: int, depths: Sequence[int]) -> Subnetworks:
    """Each depth runs the layers that follow the layers of the next smaller depth ([wang2020] §4.2, ``Seq``).

    After the last layer, the choice continues with the first layer.
    """
    subnetworks, used = {}, 0
    for depth in sorted(depths):
        subnetworks[depth] = tuple(sorted((used + step) % layers + 1 for step in range(depth)))
        used += depth
    return subnetworks


def left(layers: int, depths: Sequence[int]) -> Subnetworks:
    """Depth d runs the first layer of each of d chunks, as LayerDrop prunes ([fan2020]; [wang2020] Eq. 3).

    This is Eq. 3 as the text of the paper describes it.
    """
    return {depth: tuple(chunk[0] for chunk in _chunks(layers, depth)) for depth in sorted(depths)}


def middle_left(layers: int, depths: Sequence[int]) -> Subnetworks:
    """Depth d runs the middle layer of each of d chunks ([wang2020] §3, ``MiddleLeft``).

    If a chunk has two middle layers, it is the left one.
    """
    return {depth: tuple(map(_middle, _chunks(layers, depth))) for depth in sorted(depths)}


def optimal(layers: int, depths: Sequence[int]) -> Subnetworks:
    """Like :func:`middle_left`, but spread the depths over all layers ([wang2020] §3, ``Optimal``).

    The depths choose their layers in descending order. In each of its chunks, a depth chooses the unused layer nearest
    to the middle (the right one if two are equally near). A depth waits if one of its chunks has no unused layer left.
    When all remaining depths wait, all layers count as unused again.
    """
    subnetworks: Subnetworks = {}
    waiting = sorted(depths, reverse=True)
    alive = set(range(1, layers + 1))  # the unused layers
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
    """Cut the layers into *depth* chunks of neighbours, whose sizes differ by at most 1."""
    return [range(part * layers // depth + 1, (part + 1) * layers // depth + 1) for part in range(depth)]


def _middle(chunk: range) -> int:
    """The middle layer of a chunk; the left one if there are two."""
    return chunk[(len(chunk) - 1) // 2]


def _nearest(candidates: Set[int], position: int) -> int:
    """The candidate nearest to *position*; the right one if two are equally near."""
    return min(candidates, key=lambda candidate: (abs(candidate - position), -candidate))


_ASSIGNMENTS: Dict[str, Callable[[int, Sequence[int]], Subnetworks]] = {
    "head": head,
    "seq": seq,
    "left": left,
    "middle_left": middle_left,
    "optimal": optimal,
}
STRATEGIES = tuple(_ASSIGNMENTS)
WRAPPING = ("seq",)  # strategies where the first layer may follow the last


def assign_subnetworks(strategy: str, layers: int, depths: Sequence[int]) -> Subnetworks:
    """Assign layer positions to every depth.

    Args:
        strategy: one of ``STRATEGIES``.
        layers: the number of layers in the stack.
        depths: the depths, 1 to *layers*.

    Returns:
        The layer positions of every depth, from 1; depths and positions are in ascending order.

    Raises:
        ValueError: the strategy is unknown, *depths* is empty, or a depth lies outside 1 to *layers*.
    """
    if strategy not in _ASSIGNMENTS:
        raise ValueError(f"--subnetworks {strategy}: expected one of {', '.join(STRATEGIES)}")
    if not depths or min(depths) < 1 or max(depths) > layers:
        raise ValueError(f"depths {','.join(map(str, depths))}: must lie between 1 and {layers}, the number of layers")
    return _ASSIGNMENTS[strategy](layers, depths)


def task_balance(subnetworks: Subnetworks, layers: int, divisor: str = "sample") -> float:
    """The standard deviation, over layers, of the number of depths that run the layer ([wang2020] Eq. 5).

    It is 0 where the depths use all layers equally often.

    Args:
        subnetworks: the layer positions of every depth.
        layers: the number of layers in the stack.
        divisor: ``population`` divides by *layers*, as in Eq. 5; ``sample`` by *layers* − 1, as in Table 3.

    Raises:
        ValueError: the divisor is unknown, or it is ``sample`` and there is a single layer.
    """
    if divisor not in ("sample", "population"):
        raise ValueError(f"divisor {divisor}: expected sample or population")
    if divisor == "sample" and layers < 2:
        raise ValueError(f"task balance with divisor layers - 1: expected at least 2 layers, given {layers}")
    uses = [sum(position in used for used in subnetworks.values()) for position in range(1, layers + 1)]
    return stdev(uses) if divisor == "sample" else pstdev(uses)


def average_layer_distance(subnetworks: Subnetworks, wraps_at: Optional[int] = None) -> float:
    """The mean distance between neighbouring layers over all sub-networks ([wang2020] Eq. 6).

    Args:
        subnetworks: the layer positions of every depth.
        wraps_at: the number of layers in the stack, for strategies where the first layer follows the last (``seq``):
            these two are then neighbours, as in Table 3.

    Returns:
        The distance in layers; 0 if no sub-network has two layers.
    """
    distances = []
    for used in subnetworks.values():
        gaps = [after - before for before, after in zip(used, used[1:])]
        if wraps_at is not None and gaps and max(gaps) > 1:
            # Replace the gap of the layers that do not run by the step from the last layer of the stack to the first.
            gaps[gaps.index(max(gaps))] = used[0] + wraps_at - used[-1]
        distances += gaps
    return sum(distances) / len(distances) if distances else 0.0
