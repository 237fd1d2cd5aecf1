"""Quality against time: the Pareto front, the best system within a time limit, ties."""

import numpy
import pytest
import torch

from fairseq_flexdepth.depth.trade_off import best_within, fastest_of_best, pareto_front


def test_no_system_beats_one_on_the_pareto_front() -> None:
    quality, seconds = [30, 28, 30, 33, 29, 33], [5, 2, 4, 9, 2, 9]
    assert pareto_front(quality, seconds) == [4, 2, 3]
    assert pareto_front([1], [1]) == [0]


def test_the_best_within_a_time_limit() -> None:
    quality, seconds = [30, 31, 31, 35, 31], [1, 3, 2, 8, 2]
    assert best_within(quality, seconds, 4) == 2  # as good as 1 and 4, and faster than 1
    assert best_within(quality, seconds, 8) == 3
    assert best_within(quality, seconds, 0.5) is None


@pytest.mark.parametrize("array", [numpy.array, torch.tensor])
def test_the_fastest_wins_a_tie(array) -> None:
    fastest_first = array([2, 0, 3, 1])
    quality = array([[5.0, 9.0, 1.0, 9.0], [7.0, 7.0, 7.0, 7.0], [0.0, 3.0, 0.0, 2.0]])
    assert fastest_of_best(quality, fastest_first).tolist() == [3, 2, 1]
    assert int(fastest_of_best(quality[0], fastest_first)) == 3
    assert int(fastest_of_best(quality[0], fastest_first[:2])) == 0  # the others are not considered
    assert fastest_of_best(1.0 * (quality == quality.max()), fastest_first).tolist() == [3, 2, 2]
