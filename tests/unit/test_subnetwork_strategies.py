"""Sub-networks of each depth, and flexible_depth's two measures of them against the paper's Table 3."""

import math

import pytest

from fairseq_flexdepth.depth.subnetwork_strategies import (
    STRATEGIES,
    WRAPPING,
    assign_subnetworks,
    average_layer_distance,
    task_balance,
)

LAYERS, DIVISORS = 12, (1, 2, 3, 4, 6, 12)


TABLE_3 = {
    "head": (1.78, 1.0),
    "seq": (0.49, 1.0),
    "left": (1.50, 2.0),
    "middle_left": (0.78, 2.0),
    "optimal": (0.49, 2.05),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_measures_equal_table_3_of_the_paper(strategy):
    subnetworks = assign_subnetworks(strategy, LAYERS, DIVISORS)
    wraps_at = LAYERS if strategy in WRAPPING else None
    assert round(task_balance(subnetworks, LAYERS), 2) == TABLE_3[strategy][0]
    assert round(average_layer_distance(subnetworks, wraps_at) + 1e-9, 2) == TABLE_3[strategy][1]


def test_the_distance_of_seq_without_its_wrap_round():
    # 28 - 6 neighbours, of which 4 and 11 are 7 apart
    subnetworks = assign_subnetworks("seq", LAYERS, DIVISORS)
    assert average_layer_distance(subnetworks) == pytest.approx((21 + 7) / 22)


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


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("seq", "1; 2 3; 4 5 6; 7 8 9 10; 1 2 3 4 11 12"),
        ("left", "1; 1 7; 1 5 9; 1 4 7 10; 1 3 5 7 9 11"),
        ("middle_left", "6; 3 9; 2 6 10; 2 5 8 11; 1 3 5 7 9 11"),
        ("optimal", "7; 4 10; 2 6 10; 2 6 8 12; 1 3 5 7 9 11"),
    ],
)
def test_twelve_layers_by_hand(strategy, expected):
    subnetworks = assign_subnetworks(strategy, LAYERS, DIVISORS)
    written = [tuple(map(int, positions.split())) for positions in expected.split(";")]
    assert list(subnetworks.values()) == [*written, tuple(range(1, 13))]


def test_depths_that_do_not_divide_the_layers():
    # chunks of 5 layers over 3: layer 1, layers 2 and 3, layers 4 and 5
    assert assign_subnetworks("left", 5, [3]) == {3: (1, 2, 4)}
    assert assign_subnetworks("middle_left", 7, [2]) == {2: (2, 5)}
    # 2 has to wait: both layers of its first chunk serve 3 already
    assert assign_subnetworks("optimal", 5, [3, 2]) == {2: (1, 4), 3: (1, 2, 4)}
    assert assign_subnetworks("seq", 5, [2, 4]) == {2: (1, 2), 4: (1, 3, 4, 5)}


@pytest.mark.parametrize("strategy", ["left", "middle_left", "optimal"])
def test_one_layer_of_every_chunk(strategy):
    for layers in range(1, 25):
        for depth, positions in assign_subnetworks(strategy, layers, range(1, layers + 1)).items():
            for part, position in enumerate(positions):
                assert part * layers // depth < position <= (part + 1) * layers // depth


def test_optimal_uses_no_layer_again_while_the_others_suffice():
    for layers in range(2, 25):
        depths = [depth for depth in range(1, layers) if layers % depth == 0]
        subnetworks = assign_subnetworks("optimal", layers, [*depths, layers]).values()
        used = [sum(position in positions for positions in subnetworks) for position in range(1, layers + 1)]
        assert max(used) - min(used) <= 2
        assert task_balance(assign_subnetworks("optimal", layers, [*depths, layers]), layers) <= task_balance(
            assign_subnetworks("left", layers, [*depths, layers]), layers
        )


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
