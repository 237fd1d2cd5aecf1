"""Pruning a checkpoint and retraining it with --keep-pruned: the zeros stay, reproducibly and on two ranks."""

import shutil
from pathlib import Path
from typing import Dict

import torch

from fairseq_flexdepth.cli.main import main
from tests.integration import cli

EXACT = ("--optimizer", "sgd", "--lr", 0.1, "--weight-decay", 0.01, "--dropout", 0)
UNEVEN = ("--max-tokens", 4000, "--batch-size", 40)  # 5 batches: one of two ranks has a batch less


def prune(checkpoint: Path, folder: Path, fraction: float) -> Path:
    output = folder / "pruned.pt"
    arguments = ["--path", checkpoint, "--fraction", fraction, "--output", output]
    assert main(["prune", *map(str, arguments)]) == 0
    return output


def zeros_of(state: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """The positions of zeros in a checkpoint's matrices, except in the rows of the padding symbol."""
    where = {key: value == 0 for key, value in state.items() if value.dim() > 1}
    for key, zeros in where.items():
        if "embed" in key:
            zeros[1] = False
    return where


def assert_kept(pruned: Path, state: Dict[str, torch.Tensor], fraction: float) -> None:
    """Check that *state* has the zeros of *pruned*, and that the other weights have changed."""
    start = torch.load(str(pruned), map_location="cpu")["model"]
    zeros = zeros_of({key: start[key] for key in state})
    everywhere = torch.cat([where.reshape(-1) for where in zeros.values()])
    assert everywhere.float().mean() > 0.9 * fraction
    for key, where in zeros.items():
        assert torch.equal(zeros_of({key: state[key]})[key], where), key
        assert (state[key] != start[key])[~where].any(), key


def test_a_pruned_model_trains_on_and_resumes(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    pruned = prune(checkpoint, tmp_path, 0.6)
    options = ("--finetune-from-model", pruned, "--keep-pruned", "--store-ema", "--ema-decay", 0.5)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    cli.train(data, whole, *options, "--max-update", 9, "--save-interval-updates", 4)
    resumed.mkdir()
    shutil.copy(str(whole / "checkpoint_1_4.pt"), str(resumed / "checkpoint_last.pt"))
    assert "weights stay zero (--keep-pruned)" in cli.train(data, resumed, *options, "--max-update", 9)
    assert cli.largest_difference(whole, resumed) == 0
    assert_kept(pruned, cli.parameters(whole), 0.6)
    average = torch.load(str(resumed / "checkpoint_last.pt"), map_location="cpu")["extra_state"]["ema"]
    assert_kept(pruned, {key: average[key] for key in cli.parameters(whole)}, 0.6)


def test_fairseqs_lstm_on_two_ranks_equals_one_process(data: Path, tmp_path: Path) -> None:
    dense, one, two = tmp_path / "dense", tmp_path / "one", tmp_path / "two"
    plain = ("--criterion", "cross_entropy", *EXACT, *UNEVEN)
    cli.train_lstm(data, dense, *plain, "--max-update", 1)
    pruned = prune(dense / "checkpoint_last.pt", tmp_path, 0.8)
    options = (*plain, "--finetune-from-model", pruned, "--keep-pruned", "--max-update", 4)
    cli.train_lstm(data, one, *options, "--update-freq", 2)
    cli.on_two_ranks(lambda *distributed: cli.train_lstm(data, two, *options, *distributed))
    assert cli.largest_difference(one, two) < 1e-5
    for folder in (one, two):
        assert_kept(pruned, cli.parameters(folder), 0.8)
