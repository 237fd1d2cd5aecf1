"""Training gives the same parameters on two ranks, and after it was resumed on any number of ranks."""

from pathlib import Path
from typing import Dict

import pytest

from tests.integration import cli

ACCUMULATED = (
    "--criterion", "multi_task_depth_cross_entropy", "--subnetworks", "optimal", "--accumulate-depths",
    "--sample-encoder-depths", 2, "--sample-decoder-depths", 1,
)  # fmt: skip
SAMPLING = ("--sample-encoder-depths", 2, "--sample-decoder-depths", 1)
UNEVEN = ("--max-tokens", 4000, "--batch-size", 40)  # 5 batches: one of two ranks has a batch less
EXACT = ("--dropout", 0, "--optimizer", "sgd", "--lr", 0.1)  # Adam would amplify rounding differences


DRAWN: Dict[str, tuple] = {"all depths": (), "sampled": SAMPLING, "accumulated": ACCUMULATED}


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """The folders of the trainings in one process, and of the first update with all depths."""
    folder = tmp_path_factory.mktemp("alone")
    for name, options in {**DRAWN, "start": ("--max-update", 1)}.items():
        cli.train(data, folder / name, *EXACT, *UNEVEN, "--update-freq", 2, "--max-update", 4, *options)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", DRAWN)
def test_two_ranks_equal_one_process(data: Path, alone: Dict[str, Path], tmp_path: Path, name: str) -> None:
    cli.train_on_two_ranks(data, tmp_path, *EXACT, *UNEVEN, *DRAWN[name], "--max-update", 4)
    assert cli.largest_difference(alone[name], tmp_path) < 1e-5
    assert cli.largest_difference(alone["start"], tmp_path) > 1e-3
    if name == "all depths":  # only the training in one process is decoded
        assert len(cli.hypotheses(cli.generate(data, tmp_path / "checkpoint_last.pt", "--enc-layers", 2))) == 20


@pytest.mark.parametrize("before", [2, 1])
def test_another_number_of_ranks_goes_on_amid_an_epoch(
    data: Path, alone: Dict[str, Path], tmp_path: Path, before: int
) -> None:
    def train(ranks: int, updates: int) -> None:
        options = (data, tmp_path, *EXACT, *UNEVEN, "--max-update", updates)
        if ranks == 2:
            cli.train_on_two_ranks(*options)
        else:
            cli.train(*options, "--update-freq", 2)

    train(before, 2)  # 4 of the 5 batches
    train(3 - before, 4)
    assert cli.largest_difference(alone["all depths"], tmp_path) < 1e-5


def test_sampled_updates_differ_from_full_ones(alone: Dict[str, Path]) -> None:
    assert cli.largest_difference(alone["all depths"], alone["sampled"]) > 1e-4


@pytest.mark.parametrize("sampling", DRAWN.values(), ids=DRAWN)
def test_a_resumed_run_equals_the_uninterrupted_one(data: Path, tmp_path: Path, sampling: tuple) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    cli.train(data, whole, *sampling, "--max-update", 13, "--save-interval-updates", 8)
    half_way = whole / "checkpoint_2_8.pt"  # in the second epoch
    output = cli.train(data, resumed, *sampling, "--max-update", 13, "--restore-file", half_way)
    assert f"Loaded checkpoint {half_way}" in output
    assert cli.largest_difference(whole, resumed) == 0
