"""Losses that are NaN, and the smallest batches, with the real command lines."""

from pathlib import Path

import torch

from tests.integration import cli


def test_the_depths_whose_loss_is_nan_are_named(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(str(checkpoint), map_location="cpu")
    state["model"]["decoder.layers.1.fc2.weight"][0, 0] = float("nan")  # the second layer runs only at depths n-2
    torch.save(state, str(tmp_path / "nan.pt"))
    printed = cli.train(data, tmp_path / "model", "--finetune-from-model", tmp_path / "nan.pt", fails=True)
    assert "update 0: the loss at depth 1-2, 2-2, 3-2 is not finite" in printed
    assert printed.splitlines()[-1].startswith("FloatingPointError: gradients are Nan/Inf")


def test_batches_of_one_sentence_of_one_word(tmp_path: Path) -> None:
    cli.write_reversal_corpus(tmp_path / "text", {"train": 5, "valid": 2, "test": 2}, longest=1)
    cli.binarise(tmp_path / "text", tmp_path / "bin")
    cli.train(tmp_path / "bin", tmp_path / "model", "--batch-size", 1, "--max-update", 5)
    assert len(cli.hypotheses(cli.generate(tmp_path / "bin", tmp_path / "model" / "checkpoint_last.pt"))) == 2
