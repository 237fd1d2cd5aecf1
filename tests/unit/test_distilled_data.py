"""The outcomes of a split's sources, put back into the order of the data."""

import pytest

from fairseq_flexdepth.decoding.distilled_data import DistilledSplit
from fairseq_flexdepth.decoding.selection import Outcome


@pytest.fixture
def distilled():
    split = DistilledSplit(5)
    split.add(Outcome(3, None, [[7, 2], [8, 9, 2]], [0.75, 0.25]))
    split.add(Outcome(0, None, [[4, 5, 2]], []))
    split.add(Outcome(2, "ratio", [], []))
    split.add(Outcome(4, "unknown", [], []))
    return split


def test_pairs_come_in_the_order_of_the_data(distilled):
    pairs = [(pair.source, pair.target.tolist(), pair.weight) for pair in distilled]
    assert pairs == [(0, [4, 5, 2], 1.0), (3, [7, 2], 0.75), (3, [8, 9, 2], 0.25)]
    assert len(distilled) == 3


def test_every_source_is_counted_and_one_never_decoded_was_too_long(distilled):
    assert distilled.kept == 2
    assert distilled.dropped == {"length": 1, "ratio": 1, "empty": 0, "unknown": 1}
