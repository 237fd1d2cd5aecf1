"""Models with shared layers, with fairseq's own command lines."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fairseq_flexdepth.cli.main import main
from tests.integration import cli

STACKED = ("--arch", "recurrent_stacked_transformer_tiny", "--decoder-layers", 4)
CYCLED = (
    "--layer-sharing", "cycle_rev", "--unique-encoder-layers", 2, "--unique-decoder-layers", 2,
    "--encoder-layers", 4, "--decoder-layers", 4,
)  # fmt: skip
EXACT = ("--dropout", 0, "--optimizer", "sgd", "--lr", 0.1)  # Adam would amplify rounding differences


@pytest.fixture(scope="module")
def stacked(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The --save-dir of a recurrently stacked 3x4 tied-multi model."""
    folder = tmp_path_factory.mktemp("stacked")
    cli.train(data, folder, *STACKED, "--max-update", 8, "--save-interval-updates", 4)
    return folder


def test_tied_multi_with_recurrent_stacking_decodes_at_every_depth(data: Path, stacked: Path) -> None:
    checkpoint = stacked / "checkpoint_last.pt"
    for depths in (("--enc-layers", 1, "--dec-layers", 1), ("--enc-layers", 3, "--dec-layers", 4)):
        output = cli.generate(data, checkpoint, *depths)
        assert f"decoding with {depths[1]} of 3 encoder layers, {depths[3]} of 4 decoder layers" in output
        assert len(cli.hypotheses(output)) == 20
    shallow, deep = (cli.hypotheses(cli.generate(data, checkpoint, "--dec-layers", m)) for m in (1, 4))
    assert shallow != deep


def test_the_checkpoint_holds_each_unique_layer_once(stacked: Path) -> None:
    state = torch.load(str(stacked / "checkpoint_last.pt"), map_location="cpu")
    layers = {tuple(key.split(".")[:3:2]) for key in state["model"] if ".layers." in key}
    assert layers == {("encoder", "0"), ("decoder", "0")}
    moments = state["last_optimizer_state"]["state"]
    assert len(moments) == len(cli.parameters(stacked))  # each parameter once


def test_the_average_decodes_and_is_the_mean(data: Path, stacked: Path, tmp_path: Path) -> None:
    average = tmp_path / "checkpoint_last.pt"
    arguments = ("--inputs", stacked, "--num-update-checkpoints", 2, "--output", average)
    assert main(["average", *map(str, arguments)]) == 0
    states = [
        torch.load(str(path), map_location="cpu")["model"]
        for path in stacked.glob("checkpoint_*_[48].pt")
    ]
    assert len(states) == 2
    for key, value in cli.parameters(tmp_path).items():
        assert torch.allclose(value, (states[0][key] + states[1][key]) / 2, atol=1e-7), key
    assert len(cli.hypotheses(cli.generate(data, average, "--enc-layers", 2, "--dec-layers", 3))) == 20


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The --save-dir of a model trained in one process."""
    folder = tmp_path_factory.mktemp("alone")
    cli.train(data, folder, *EXACT, *CYCLED, "--update-freq", 2, "--max-update", 3)
    return folder


@pytest.mark.parametrize("options", [(), ("--checkpoint-activations",)], ids=["plain", "activation checkpointing"])
def test_two_ranks_equal_one_process(data: Path, alone: Path, tmp_path: Path, options: tuple) -> None:
    cli.train_on_two_ranks(data, tmp_path, *EXACT, *CYCLED, *options, "--max-update", 3)
    assert cli.largest_difference(alone, tmp_path) < 1e-5


def test_a_resumed_run_equals_the_uninterrupted_one(data: Path, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    cli.train(data, whole, *CYCLED, "--max-update", 9, "--save-interval-updates", 4)
    cli.train(data, resumed, *CYCLED, "--max-update", 9, "--restore-file", whole / "checkpoint_1_4.pt")
    assert cli.largest_difference(whole, resumed) == 0


def admin(data: Path, folder: Path, *options: Any) -> str:
    return cli.train(data, folder, *STACKED, "--residual-init", "admin", *options)


def scales(folder: Path) -> torch.Tensor:
    state = cli.parameters(folder)
    return torch.stack([value for key, value in state.items() if key.endswith("residual_scale")])


def test_admin_profiles_once_and_a_resumed_run_keeps_its_scales(data: Path, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    admin(data, whole, "--max-update", 9)
    admin(data, resumed, "--max-update", 4, "--store-ema", "--ema-decay", 0.5)
    before = scales(resumed)
    assert before.shape == (3 * 2 + 4 * 3, 16)
    assert before.std(dim=1).max() < 0.05  # trained, around what the first batch gave each sub-layer
    assert before[1].mean() > 1.05
    state = torch.load(str(resumed / "checkpoint_last.pt"), map_location="cpu")
    for key, value in state["extra_state"]["ema"].items():
        if key.endswith("residual_scale"):
            assert torch.allclose(value, state["model"][key], atol=0.05)
    admin(data, resumed, "--max-update", 9)
    assert cli.largest_difference(whole, resumed) == 0
    assert len(cli.hypotheses(cli.generate(data, resumed / "checkpoint_last.pt", "--dec-layers", 2))) == 20


def test_admin_on_two_ranks_equals_one_process(data: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    options = (*STACKED, "--residual-init", "admin", *EXACT)
    cli.train(data, one, *options, "--update-freq", 2, "--max-update", 3)
    cli.train_on_two_ranks(data, two, *options, "--max-update", 3)
    assert cli.largest_difference(one, two) < 1e-5
    assert scales(two)[1].mean() > 1.05
