"""One tied-multi model, of layers of its own or of a shared one, learns to reverse its input at every depth."""

import json
from pathlib import Path

import pytest

from fairseq_flexdepth.cli.main import main
from tests.integration import cli


@pytest.mark.parametrize("arch", ["tied_multi_transformer_tiny", "recurrent_stacked_transformer_tiny"])
def test_every_depth_learns_to_reverse(tmp_path: Path, arch: str) -> None:
    cli.write_reversal_corpus(tmp_path / "text", {"train": 3000, "valid": 50, "test": 200}, longest=4)
    cli.binarise(tmp_path / "text", tmp_path / "bin")
    cli.train(
        tmp_path / "bin", tmp_path / "model", "--arch", arch, "--encoder-layers", 2, "--decoder-layers", 2,
        "--dropout", 0,
        "--encoder-embed-dim", 64, "--encoder-ffn-embed-dim", 64, "--decoder-embed-dim", 64,
        "--decoder-ffn-embed-dim", 64, "--encoder-attention-heads", 4, "--decoder-attention-heads", 4,
        "--lr-scheduler", "polynomial_decay", "--warmup-updates", 50, "--total-num-update", 200,
        "--max-update", 200, "--max-tokens", 800, "--log-interval", 100,
    )  # fmt: skip
    arguments = ("--path", tmp_path / "model" / "checkpoint_last.pt", "--cpu", "--beam", 2, "--max-len-b", 20)
    assert main(["sweep", *map(str, (tmp_path / "bin", "--output", tmp_path / "sweep", *arguments))]) == 0
    references = (tmp_path / "sweep" / "reference.txt").read_text().splitlines()
    rows = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    correct = {}
    for row in rows:
        pair = row["enc_layers"], row["dec_layers"]
        hypotheses = (tmp_path / "sweep" / f"e{pair[0]}d{pair[1]}.txt").read_text().splitlines()
        correct[pair] = sum(hypothesis == reference for hypothesis, reference in zip(hypotheses, references)) / 200
    assert len(correct) == 4
    assert correct[2, 2] > 0.95, correct
    assert min(correct.values()) > 0.85, correct  # three in four of the sentences could be learned by heart
