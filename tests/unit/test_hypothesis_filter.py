"""Which hypotheses are kept, which sources are dropped and why, and the weights of a k-best list."""

import math

import pytest

from fairseq_flexdepth.corpus.hypothesis_filter import (
    Filters,
    Target,
    closest,
    keep_all_or_none,
    keep_some,
    renormalised,
    sentence_bleu,
    without_duplicates,
)
from fairseq_flexdepth.corpus.scores import BleuText

EOS, UNKNOWN = 2, 3


def target(length, log_probability=0.0, cut_off=False, word=5):
    return Target([word] * length + [EOS], log_probability, cut_off)


@pytest.mark.parametrize(
    ("filters", "source", "hypothesis", "reason"),
    [
        (Filters(), 4, target(4), None),
        (Filters(), 1, target(100), None),
        (Filters(), 0, target(4, cut_off=True), "empty"),
        (Filters(), 4, target(0), "empty"),
        (Filters(), 4, target(4, cut_off=True), "length"),
        (Filters(max_length=4), 4, target(4), None),
        (Filters(max_length=4), 5, target(4), "length"),
        (Filters(max_length=4), 4, target(5), "length"),
        (Filters(max_ratio=1.5), 4, target(6), None),
        (Filters(max_ratio=1.5), 6, target(4), None),
        (Filters(max_ratio=1.5), 4, target(7), "ratio"),
        (Filters(max_ratio=1.5), 7, target(4), "ratio"),
        (Filters(), 4, target(4, word=UNKNOWN), None),
        (Filters(unknown=UNKNOWN), 4, target(4, word=UNKNOWN), "unknown"),
        (Filters(unknown=UNKNOWN), 4, target(4), None),
        (Filters(max_length=3, max_ratio=1.0, unknown=UNKNOWN), 4, target(5, word=UNKNOWN), "length"),
    ],
)
def test_reasons_to_drop(filters, source, hypothesis, reason):
    assert filters.reason(source, hypothesis) == reason


def test_renormalised_weights():
    log_probabilities = [-3.0, -4.0, -4.5]
    weights = renormalised(log_probabilities)
    assert sum(weights) == pytest.approx(1)
    for weight, log_probability in zip(weights, log_probabilities):
        assert weight / weights[0] == pytest.approx(math.exp(log_probability + 3))


def test_improbable_sentences_have_weights():
    assert renormalised([-4000.0, -4000.0]) == [0.5, 0.5]
    assert renormalised([-4000.0]) == [1.0]


def test_duplicates_are_merged_into_the_first():
    first, second, repeated = target(2, -1.0), target(3, -2.0), target(2, -1.5)
    assert without_duplicates([first, second, repeated]) == [first, second]
    assert without_duplicates([]) == []


def test_what_is_kept_when_something_is_dropped():
    targets, reasons = [target(1), target(2)], ["length", None]
    assert keep_all_or_none(targets, reasons) == []
    assert keep_some(targets, reasons) == targets[1:]
    assert keep_all_or_none(targets, [None, None]) == keep_some(targets, [None, None]) == targets


def test_the_closest_text_and_ties():
    lengths = {"b": 1.0, "a": 2.0, "c": 2.0}
    assert closest(["b", "a", "c"], lengths.__getitem__) == 1
    assert closest(["b", "c", "a"], lengths.__getitem__) == 1
    assert closest(["b"], lengths.__getitem__) == 0


def test_equal_texts_are_scored_once():
    scores = iter([1.0, 2.0])
    assert closest(["a", "a", "b", "a"], lambda _: next(scores)) == 2


def test_sentence_bleu_is_smoothed_and_takes_the_orders_there_are():
    bleu = sentence_bleu(BleuText("none"))
    assert bleu("a b", "a b") == pytest.approx(100)
    assert bleu("a b c d e", "a b c x y") > bleu("a q r s t", "a b c x y") > 0
    assert bleu("a , b", "a, b") < sentence_bleu(BleuText("13a"))("a , b", "a, b")
