"""Hypotheses that are kept, reasons to drop a source, and the weights of a k-best list."""

import math
from typing import Optional

import pytest

from fairseq_flexdepth.corpus.hypothesis_filter import (
    DropRules,
    Target,
    closest,
    keep_all_or_none,
    keep_some,
    renormalised,
    without_duplicates,
)

EOS, UNKNOWN = 2, 3


def target(length: int, log_probability: float = 0.0, cut_off: bool = False, word: int = 5) -> Target:
    return Target([word] * length + [EOS], log_probability, cut_off)


@pytest.mark.parametrize(
    ("rules", "source", "hypothesis", "reason"),
    [
        (DropRules(), 4, target(4), None),
        (DropRules(), 1, target(100), None),
        (DropRules(), 0, target(4, cut_off=True), "empty"),
        (DropRules(), 4, target(0), "empty"),
        (DropRules(), 4, target(4, cut_off=True), "length"),
        (DropRules(max_length=4), 4, target(4), None),
        (DropRules(max_length=4), 5, target(4), "length"),
        (DropRules(max_length=4), 4, target(5), "length"),
        (DropRules(max_ratio=1.5), 4, target(6), None),
        (DropRules(max_ratio=1.5), 6, target(4), None),
        (DropRules(max_ratio=1.5), 4, target(7), "ratio"),
        (DropRules(max_ratio=1.5), 7, target(4), "ratio"),
        (DropRules(), 4, target(4, word=UNKNOWN), None),
        (DropRules(unknown=UNKNOWN), 4, target(4, word=UNKNOWN), "unknown"),
        (DropRules(unknown=UNKNOWN), 4, target(4), None),
        (DropRules(max_length=3, max_ratio=1.0, unknown=UNKNOWN), 4, target(5, word=UNKNOWN), "length"),
    ],
)
def test_reasons_to_drop(rules: DropRules, source: int, hypothesis: Target, reason: Optional[str]) -> None:
    assert rules.reason(source, hypothesis) == reason


def test_renormalised_weights() -> None:
    log_probabilities = [-3.0, -4.0, -4.5]
    weights = renormalised(log_probabilities)
    assert sum(weights) == pytest.approx(1)
    for weight, log_probability in zip(weights, log_probabilities):
        assert weight / weights[0] == pytest.approx(math.exp(log_probability + 3))


def test_improbable_sentences_have_weights() -> None:
    assert renormalised([-4000.0, -4000.0]) == [0.5, 0.5]
    assert renormalised([-4000.0]) == [1.0]


def test_duplicates_are_merged_into_the_first() -> None:
    first, second, repeated = target(2, -1.0), target(3, -2.0), target(2, -1.5)
    assert without_duplicates([first, second, repeated]) == [first, second]
    assert without_duplicates([]) == []


def test_all_or_some_targets_are_kept_when_one_is_dropped() -> None:
    targets, reasons = [target(1), target(2)], ["length", None]
    assert keep_all_or_none(targets, reasons) == []
    assert keep_some(targets, reasons) == targets[1:]
    assert keep_all_or_none(targets, [None, None]) == keep_some(targets, [None, None]) == targets


def test_the_closest_text_and_ties() -> None:
    lengths = {"b": 1.0, "a": 2.0, "c": 2.0}
    assert closest(["b", "a", "c"], lengths.__getitem__) == 1
    assert closest(["b", "c", "a"], lengths.__getitem__) == 1
    assert closest(["b"], lengths.__getitem__) == 0


def test_equal_texts_are_scored_once() -> None:
    scores = iter([1.0, 2.0])
    assert closest(["a", "a", "b", "a"], lambda _: next(scores)) == 2
