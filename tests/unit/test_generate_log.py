"""Parsing the output of fairseq-generate."""

import pytest

from recipes.common.generate_log import parse_generate_log

SENTENCES = (
    "S-1\tein Hund\nT-1\ta dog\nH-1\t-0.5\ta dog\nD-1\t-0.5\ta dog\nP-1\t-0.1 -0.2\n"
    "S-0\tja\nT-0\tyes\nH-0\t-0.3\tyeah\nD-0\t-0.3\tyeah\nP-0\t-0.3\n"
)
CHOSEN = (
    "2026 | INFO | fairseq_flexdepth.decoding.selective_decoding | depths of 1,002 sentences by oracle:my labels: "
    "(1, 1) 1,001, (3, 2) 1; choosing took 0.25 s, decoding 3.50 s, 40 % less than all sentences at the deepest pair\n"
)
TRANSLATED = "2026 | INFO | fairseq_cli.generate | Translated 2 sentences (5 tokens) in 3.6s (0.55 sentences/s)\n"


def test_chosen_depths_and_their_time() -> None:
    log = parse_generate_log(SENTENCES + CHOSEN + TRANSLATED)
    assert log.hypotheses == ["yeah", "a dog"]
    assert log.references == ["yes", "a dog"]
    assert log.probabilities == pytest.approx([2**-0.3, 2 ** (-0.1 - 0.2)])
    assert log.used == {(1, 1): 1001, (3, 2): 1}
    assert (log.choosing, log.decoding, log.seconds) == (0.25, 3.5, 3.75)


def test_several_translations_of_each_sentence() -> None:
    best, others = SENTENCES.splitlines(), ["H-0\t-9\tno", "D-0\t-9\tno", "P-0\t-4 -5", "D-1\t-8\tdog", "P-1\t-8"]
    log = parse_generate_log("\n".join([*best, *others, TRANSLATED]))
    assert log.hypotheses == ["yeah", "a dog"]
    assert log.probabilities == pytest.approx([2**-0.3 + 2**-9, 2**-0.3 + 2**-8])


def test_a_fixed_depth() -> None:
    log = parse_generate_log(SENTENCES + TRANSLATED)
    assert (log.used, log.choosing, log.seconds) == ({}, 0.0, 3.6)


def test_an_unfinished_run() -> None:
    with pytest.raises(ValueError, match="not a finished run of fairseq-generate: S-1"):
        parse_generate_log(SENTENCES)
