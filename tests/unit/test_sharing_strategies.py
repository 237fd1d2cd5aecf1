"""The assignments of unique layers to positions, against Figure 2 of layer_sharing taken literally."""

import math
from typing import List

import pytest

from fairseq_flexdepth.depth.sharing_strategies import STRATEGIES, assign_layers, first_positions

DIVIDING = [(layers, unique) for layers in range(1, 25) for unique in range(1, layers + 1) if layers % unique == 0]


def figure_2(strategy: str, layers: int, unique: int) -> List[int]:
    """The paper's algorithm line by line; CreateNewLayer numbers the layers as it makes them."""
    enc: List[int] = [0]  # positions count from 1
    made = 0
    for i in range(1, layers + 1):
        new = i == 1 or (
            (i - 1) % (layers // unique) == 0 if strategy == "sequence" else i <= unique
        )
        if new:
            made += 1
            enc.append(made)
        elif strategy == "sequence":
            enc.append(enc[i - 1])
        elif strategy == "cycle" or i <= unique * (math.ceil(layers / unique) - 1):
            enc.append(enc[((i - 1) % unique) + 1])
        else:
            enc.append(enc[unique - ((i - 1) % unique)])
    return enc[1:]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_figure_2_wherever_m_divides_n(strategy):
    for layers, unique in DIVIDING:
        assert list(assign_layers(strategy, layers, unique)) == figure_2(strategy, layers, unique), (layers, unique)


@pytest.mark.parametrize(
    ("strategy", "layers", "unique", "expected"),
    [
        ("sequence", 6, 3, "1 1 2 2 3 3"),  # Figure 1
        ("cycle", 6, 3, "1 2 3 1 2 3"),
        ("cycle_rev", 6, 3, "1 2 3 3 2 1"),
        ("sequence", 12, 6, "1 1 2 2 3 3 4 4 5 5 6 6"),
        ("cycle", 12, 6, "1 2 3 4 5 6 1 2 3 4 5 6"),
        ("cycle_rev", 12, 6, "1 2 3 4 5 6 6 5 4 3 2 1"),
        ("sequence", 18, 6, "1 1 1 2 2 2 3 3 3 4 4 4 5 5 5 6 6 6"),
        ("cycle_rev", 18, 6, "1 2 3 4 5 6 1 2 3 4 5 6 6 5 4 3 2 1"),
        ("cycle_rev", 16, 8, "1 2 3 4 5 6 7 8 8 7 6 5 4 3 2 1"),
        ("cycle_rev", 8, 4, "1 2 3 4 4 3 2 1"),
        ("cycle_rev", 6, 6, "1 2 3 4 5 6"),
        ("cycle", 6, 1, "1 1 1 1 1 1"),
    ],
)
def test_assignments_by_hand(strategy, layers, unique, expected):
    assert assign_layers(strategy, layers, unique) == tuple(map(int, expected.split()))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_laws(strategy):
    for layers, unique in DIVIDING:
        assignment = assign_layers(strategy, layers, unique)
        counts = [assignment.count(layer) for layer in range(1, unique + 1)]
        assert counts == [layers // unique] * unique  # M unique layers, all used alike
        firsts = list(dict.fromkeys(assignment))
        assert firsts == sorted(firsts)  # made from the bottom up
        if unique in (1, layers):
            assert assignment == assign_layers("sequence", layers, unique)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("unique", [-1, 0, 4, 5, 7, 12])
def test_m_that_does_not_divide_n(strategy, unique):
    with pytest.raises(ValueError, match=f"--u {unique}: must divide 6, the number of layers: expected one of 1,2,3,6"):
        assign_layers(strategy, 6, unique, "--u")


def test_unknown_strategy():
    with pytest.raises(ValueError, match="--layer-sharing spiral: expected one of sequence, cycle, cycle_rev"):
        assign_layers("spiral", 6, 3)


def test_first_positions():
    assert first_positions((1, 2, 3, 3, 2, 1)) == (1, 2, 3, 3, 2, 1)
    assert first_positions((1, 1, 2, 2)) == (1, 1, 3, 3)
