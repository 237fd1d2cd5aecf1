"""Sub-networks of each depth, and flexible_depth's two measures of them against the paper's Table 3."""

import math

import pytest

from fairseq_flexdepth.depth.subnetworks import (
    STRATEGIES,
    assign_subnetworks,
    average_layer_distance,
    task_balance,
)

LAYERS, DIVISORS = 12, (1, 2, 3, 4, 6, 12)


def _one_a_chunk(place):
    # one layer of every chunk of LAYERS / depth layers
    chunks = {depth: LAYERS // depth for depth in DIVISORS}
    return {depth: tuple(range(1 + place(chunk), LAYERS + 1, chunk)) for depth, chunk in chunks.items()}


TABLE_3 = {
    "Head": (assign_subnetworks("head", LAYERS, DIVISORS), 1.78, 1.0),
    "Left": (_one_a_chunk(lambda chunk: 0), 1.50, 2.0),
    "MiddleLeft": (_one_a_chunk(lambda chunk: math.ceil(chunk / 2) - 1), 0.78, 2.0),
}


@pytest.mark.parametrize(("subnetworks", "balance", "distance"), TABLE_3.values(), ids=TABLE_3.keys())
def test_measures_equal_table_3_of_the_paper(subnetworks, balance, distance):
    assert task_balance(subnetworks, LAYERS) == pytest.approx(balance, abs=0.005)
    assert average_layer_distance(subnetworks) == pytest.approx(distance, abs=0.005)


def test_the_divisor_of_equation_5():
    # Layer 1 serves two depths, layers 2 and 3 one: deviations 2/3, -1/3, -1/3 from the mean of 4/3.
    subnetworks = {1: (1,), 3: (1, 2, 3)}
    assert task_balance(subnetworks, 3, "population") == pytest.approx(math.sqrt(2 / 9))
    assert task_balance(subnetworks, 3, "sample") == pytest.approx(math.sqrt(1 / 3))


def test_measures_of_a_single_layer():
    assert task_balance({1: (1,)}, 1, "population") == 0
    assert average_layer_distance({1: (1,)}) == 0


def test_head_takes_the_first_layers():
    expected = {1: (1,), 2: (1, 2), 4: (1, 2, 3, 4)}
    subnetworks = assign_subnetworks("head", 6, [4, 1, 2])
    assert subnetworks == expected
    assert list(subnetworks) == [1, 2, 4]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("layers", [1, 5, 6, 12])
def test_every_depth_gets_that_many_layers_in_ascending_order(strategy, layers):
    depths = [depth for depth in range(1, layers + 1) if layers % depth == 0]
    subnetworks = assign_subnetworks(strategy, layers, depths)
    assert list(subnetworks) == depths
    for depth, positions in subnetworks.items():
        assert len(set(positions)) == depth
        assert list(positions) == sorted(positions)
        assert positions[0] >= 1
        assert positions[-1] <= layers


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="^--subnetworks tail: expected one of head"):
        assign_subnetworks("tail", 6, [1])


@pytest.mark.parametrize(("depths", "listed"), [([1, 7], "1,7"), ([0], "0"), ([], "")])
def test_depths_that_do_not_fit_the_stack_are_refused(depths, listed):
    with pytest.raises(ValueError, match=f"^depths {listed}: must lie between 1 and 6, the number of layers$"):
        assign_subnetworks("head", 6, depths)


def test_an_unknown_divisor_is_refused():
    with pytest.raises(ValueError, match="^divisor D: expected sample or population$"):
        task_balance({1: (1,)}, 2, "D")


def test_a_single_layer_has_no_sample_deviation():
    message = "^task balance with divisor layers - 1: expected at least 2 layers, given 1$"
    with pytest.raises(ValueError, match=message):
        task_balance({1: (1,)}, 1)
