"""sequence_kd's recipe reads the perplexity from fairseq-validate's output."""

import pytest

from recipes.sequence_kd.perplexity import perplexity


def test_perplexity_of_the_references_whatever_the_loss(tmp_path):
    log = tmp_path / "validate.txt"
    entry = '2026 | INFO | test | {"test_loss": "9.5", "test_nll_loss": "3", "test_ppl": "724.1"}\n'
    log.write_text(f"2026 | INFO | fairseq_cli.validate | loading model(s)\n{entry}")
    assert perplexity(log) == 8
    log.write_text("2026 | INFO | fairseq_cli.validate | loading model(s)\n")
    with pytest.raises(ValueError, match="no result on test; was it written by fairseq-validate --log-format json?"):
        perplexity(log)
