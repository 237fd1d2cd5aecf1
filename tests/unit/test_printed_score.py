"""The scores that fairseq's programs print."""

import pytest

from recipes.common.printed_score import printed_score


def test_the_last_score_counts():
    assert printed_score("wer", "Generate dev-clean with beam=5: WER: 3.98\n") == 3.98
    assert printed_score("perplexity", "2026 | INFO | Loss (base 2): 4.35, Perplexity: 20.39\nlater\n") == 20.39


def test_a_run_without_a_score():
    with pytest.raises(ValueError, match="no wer in this log: Perplexity"):
        printed_score("wer", "Perplexity: 20.39")
