"""Training gives the same parameters on two ranks, and after an interruption."""

from pathlib import Path

import pytest

from tests.integration import cli

ACCUMULATED = (
    "--criterion", "multi_task_depth_cross_entropy", "--subnetworks", "optimal", "--accumulate-depths",
    "--sample-encoder-depths", 2, "--sample-decoder-depths", 1,
)  # fmt: skip
SAMPLING = ("--sample-encoder-depths", 2, "--sample-decoder-depths", 1)
UNEVEN = ("--max-tokens", 4000, "--batch-size", 40)  # 5 batches: two ranks run out at different times
EXACT = ("--dropout", 0, "--optimizer", "sgd", "--lr", 0.1)  # Adam would blow rounding differences up


@pytest.mark.parametrize("sampling", [(), SAMPLING, ACCUMULATED], ids=["all depths", "sampled", "accumulated"])
def test_two_ranks_equal_one_process(data: Path, tmp_path: Path, sampling: tuple) -> None:
    one, two, start = tmp_path / "one", tmp_path / "two", tmp_path / "start"
    cli.train(data, one, *EXACT, *UNEVEN, *sampling, "--update-freq", 2, "--max-update", 4)
    cli.train_on_two_ranks(data, two, *EXACT, *UNEVEN, *sampling, "--max-update", 4)
    cli.train(data, start, *EXACT, *UNEVEN, "--update-freq", 2, "--max-update", 1)
    assert cli.largest_difference(one, two) < 1e-5
    assert cli.largest_difference(start, two) > 1e-3


@pytest.mark.parametrize("sampling", [(), SAMPLING, ACCUMULATED], ids=["all depths", "sampled", "accumulated"])
def test_a_resumed_run_equals_the_uninterrupted_one(data: Path, tmp_path: Path, sampling: tuple) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    cli.train(data, whole, *sampling, "--max-update", 13)
    cli.train(data, resumed, *sampling, "--max-update", 8)  # in the second epoch
    output = cli.train(data, resumed, *sampling, "--max-update", 13)
    assert "Loaded checkpoint" in output
    assert cli.largest_difference(whole, resumed) == 0


def test_sampled_updates_differ_from_full_ones(data: Path, tmp_path: Path) -> None:
    cli.train(data, tmp_path / "all", *EXACT)
    cli.train(data, tmp_path / "sampled", *EXACT, *SAMPLING)
    assert cli.largest_difference(tmp_path / "all", tmp_path / "sampled") > 1e-4
