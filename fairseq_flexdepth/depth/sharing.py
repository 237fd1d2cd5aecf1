"""Layer sharing: which unique layer does each layer position use? (layer_sharing §2, Figure 2)"""

from typing import Callable, Dict, Tuple

Assignment = Tuple[int, ...]  # for every position, from the bottom, its unique layer, counted from 1


def sequence(layers: int, unique: int) -> Assignment:
    """Neighbouring positions share: 1 1 2 2 3 3 (§2.1)."""
    return tuple(position * unique // layers + 1 for position in range(layers))


def cycle(layers: int, unique: int) -> Assignment:
    """The unique layers one after another, again and again: 1 2 3 1 2 3 (§2.2)."""
    return tuple(position % unique + 1 for position in range(layers))


def cycle_rev(layers: int, unique: int) -> Assignment:
    """As ``cycle``, with the last of several rounds in reverse order: 1 2 3 3 2 1 (§2.3)."""
    rounds = cycle(layers, unique)
    return rounds[:-unique] + rounds[-unique:][::-1] if layers > unique else rounds


_ASSIGNMENTS: Dict[str, Callable[[int, int], Assignment]] = {
    "sequence": sequence,
    "cycle": cycle,
    "cycle_rev": cycle_rev,
}
STRATEGIES = tuple(_ASSIGNMENTS)


def assign_layers(strategy: str, layers: int, unique: int, option: str = "--unique") -> Assignment:
    """The unique layer of every position. One unique layer is recurrent stacking, or Universal.

    Args:
        strategy: one of ``STRATEGIES``.
        layers: N, the number of positions.
        unique: M, the number of unique layers, a divisor of N: where M does not divide N, the paper and its released
            code disagree, and Figure 2's SEQUENCE would make more than M layers.
        option: how the user names M.

    Raises:
        ValueError: the strategy is unknown, there is no position, or M does not divide N.
    """
    if strategy not in _ASSIGNMENTS:
        raise ValueError(f"--layer-sharing {strategy}: expected one of {', '.join(STRATEGIES)}")
    if layers < 1:
        raise ValueError(f"{option} {unique}: cannot be shared by {layers} layers; expected 1 layer or more")
    divisors = [divisor for divisor in range(1, layers + 1) if layers % divisor == 0]
    if unique not in divisors:
        allowed = ",".join(map(str, divisors))
        raise ValueError(f"{option} {unique}: must divide {layers}, the number of layers: expected one of {allowed}")
    return _ASSIGNMENTS[strategy](layers, unique)


def first_positions(assignment: Assignment) -> Tuple[int, ...]:
    """For every position, counted from 1, the lowest position that uses the same unique layer."""
    return tuple(assignment.index(layer) + 1 for layer in assignment)
