"""Training gives the same parameters on two ranks, and after an interruption."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict

import pytest
import torch

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from tests.integration import cli

SAMPLING = ("--sample-encoder-depths", 2, "--sample-decoder-depths", 1)
EXACT = ("--dropout", 0, "--optimizer", "sgd", "--lr", 0.1)  # Adam would blow rounding differences up


def parameters(folder: Path) -> Dict[str, torch.Tensor]:
    model = torch.load(str(folder / "checkpoint_last.pt"), map_location="cpu")["model"]
    never_trained = (*FAST_PATH_NAMES, "_float_tensor")
    return {key: value for key, value in model.items() if key.split(".")[-1] not in never_trained}


def largest_difference(first: Path, second: Path) -> float:
    a, b = parameters(first), parameters(second)
    assert a.keys() == b.keys()
    return max(float((a[key].float() - b[key].float()).abs().max()) for key in a)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def train_on_two_ranks(data: Path, folder: Path, *options: Any) -> None:
    port = free_port()

    def rank(number: int) -> str:
        return cli.train(
            data, folder, *options, "--distributed-world-size", 2, "--distributed-rank", number,
            "--distributed-init-method", f"tcp://localhost:{port}", "--distributed-no-spawn",
            "--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp",
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(rank, range(2)))


@pytest.mark.parametrize("sampling", [(), SAMPLING], ids=["all depths", "sampled depths"])
def test_two_ranks_equal_one_process(data: Path, tmp_path: Path, sampling: tuple) -> None:
    one, two, start = tmp_path / "one", tmp_path / "two", tmp_path / "start"
    cli.train(data, one, *EXACT, *sampling, "--update-freq", 2, "--max-update", 4)
    train_on_two_ranks(data, two, *EXACT, *sampling, "--max-update", 4)
    cli.train(data, start, *EXACT, "--update-freq", 2, "--max-update", 1)
    assert largest_difference(one, two) < 1e-5
    assert largest_difference(start, two) > 1e-3


@pytest.mark.parametrize("sampling", [(), SAMPLING], ids=["all depths", "sampled depths"])
def test_a_resumed_run_equals_the_uninterrupted_one(data: Path, tmp_path: Path, sampling: tuple) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    cli.train(data, whole, *sampling, "--max-update", 13)
    cli.train(data, resumed, *sampling, "--max-update", 5)
    output = cli.train(data, resumed, *sampling, "--max-update", 13)
    assert "Loaded checkpoint" in output
    assert largest_difference(whole, resumed) == 0


def test_sampled_updates_differ_from_full_ones(data: Path, tmp_path: Path) -> None:
    cli.train(data, tmp_path / "all", *EXACT)
    cli.train(data, tmp_path / "sampled", *EXACT, *SAMPLING)
    assert largest_difference(tmp_path / "all", tmp_path / "sampled") > 1e-4
