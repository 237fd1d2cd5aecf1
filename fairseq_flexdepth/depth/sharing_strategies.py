"""Layer sharing strategies: the unique layer of every layer position ([takase2021] §2, Figure 2)."""

from typing import Callable, Dict, Tuple

Assignment = Tuple[int, ...]  # for every position, from the bottom, its unique layer, counted from 1


def sequence(layers: int, unique: int) -> Assignment:
    """Share among neighbouring positions: 1 1 2 2 3 3 ([takase2021] §2.1)."""
    return tuple(position * unique // layers + 1 for position in range(layers))


def cycle(layers: int, unique: int) -> Assignment:
    """Repeat the stack of unique layers: 1 2 3 1 2 3 ([takase2021] §2.2)."""
    return tuple(position % unique + 1 for position in range(layers))


def cycle_rev(layers: int, unique: int) -> Assignment:
    """Repeat the stack of unique layers, the last time in reverse order: 1 2 3 3 2 1 ([takase2021] §2.3)."""
    rounds = cycle(layers, unique)
    return rounds[:-unique] + rounds[-unique:][::-1] if layers > unique else rounds


_ASSIGNMENTS: Dict[str, Callable[[int, int], Assignment]] = {
    "sequence": sequence,
    "cycle": cycle,
    "cycle_rev": cycle_rev,
}
STRATEGIES = tuple(_ASSIGNMENTS)


def assign_layers(strategy: str, layers: int, unique: int, option: str = "--unique") -> Assignment:
    """Assign a unique layer to every position. One unique layer makes a Universal Transformer ([dehghani2019]).

    Args:
        strategy: one of ``STRATEGIES``.
        layers: N, the number of positions.
        unique: M, the number of unique layers, a divisor of N. For other M, the paper and its released code disagree,
            and SEQUENCE as in Figure 2 would make more than M layers.
        option: option name of M for error messages.

    Returns:
        For every position, from the bottom, its unique layer, from 1.

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
