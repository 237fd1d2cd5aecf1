"""The length rule that the recipe fits to labels."""

from typing import Any

import numpy

from fairseq_flexdepth.files.depth_labels import DepthLabels
from recipes.depth_selection.length_rules import fit

PAIRS = [(1, 1), (1, 2), (2, 2)]


def test_each_length_has_the_pair_that_is_worth_most() -> None:
    lengths: Any = numpy.repeat(numpy.arange(3, 21), 60)
    scores = numpy.where((lengths <= 10)[:, None], [50.0, 40.0, 43.0], [40.0, 41.0, 50.0])
    labels = DepthLabels(PAIRS, scores, numpy.array([1.0, 2.0, 4.0]))
    assert fit(labels, lengths, 0) == "length:10=1-1,2-2"
    assert fit(labels, lengths, 2) == "length:10=1-1,2-2"
    assert fit(labels, lengths, 100) == "length:1-1"


def test_lengths_that_are_too_rare_follow_their_neighbours() -> None:
    lengths = numpy.array([5] * 60 + [30] * 3 + [9])
    scores = numpy.array([[50.0, 40.0, 40.0]] * 60 + [[10.0, 10.0, 90.0]] * 4)
    labels = DepthLabels(PAIRS, scores, numpy.ones(3))
    assert fit(labels, lengths, 0) == "length:1-1"
    few = DepthLabels(PAIRS, scores[:10], numpy.ones(3))
    assert fit(few, lengths[:10], 0) == "length:2-2"
