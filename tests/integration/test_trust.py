"""A checkpoint that contains code is refused in one line by every option that names one, and the code never runs."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy
import pytest
import torch

import fairseq_flexdepth
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.files.depth_labels import load_labels
from fairseq_flexdepth.tasks.sentence_weights import WeightedSentences
from recipes.common import training
from tests.hostile import CHECKS, Code, checked
from tests.integration import cli, selector_cli
from tests.labels import write_labels

REFUSED = ": cannot be read as a fairseq checkpoint: it holds something else than weights and options (posix.mkdir)"


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trust") / "code-ran"


@pytest.fixture(scope="module")
def malicious(checkpoint: Path, marker: Path) -> Path:
    """The checkpoint of a trained model that also contains code."""
    state = torch.load(str(checkpoint), map_location="cpu")
    path = marker.parent / "malicious.pt"
    torch.save({**state, "extra_state": {**state["extra_state"], "best": Code(marker)}}, str(path))
    return path


def last_line(output: str) -> str:
    return output.splitlines()[-1]


def train(*options: Any) -> Callable[..., str]:
    return lambda data, checkpoint, bad, folder: cli.train(data, folder, *options, bad, fails=True)


def interactive(data: Path, checkpoint: Path, bad: Path, folder: Path) -> str:
    return cli.run("fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", bad, "--cpu", fails=True)


def validate(data: Path, checkpoint: Path, bad: Path, folder: Path) -> str:
    return cli.run(
        "fairseq-validate", data, "--user-dir", cli.PLUGIN, "--task", "translation", "--path", bad, "--cpu",
        "--max-tokens", 500, "--num-workers", 0, fails=True,
    )  # fmt: skip


COMMANDS: Dict[str, Tuple[Callable[..., str], str]] = {
    "generate": (lambda data, checkpoint, bad, folder: cli.generate(data, bad, fails=True), ""),
    "ensemble": (lambda data, checkpoint, bad, folder: cli.generate(data, f"{checkpoint}:{bad}", fails=True), ""),
    "selector": (
        lambda data, checkpoint, bad, folder: cli.generate(data, checkpoint, "--depth-selector", bad, fails=True),
        "--depth-selector ",
    ),
    "language model": (
        lambda data, checkpoint, bad, folder: cli.generate(data, checkpoint, "--lm-path", bad, fails=True), ""
    ),
    "interactive": (interactive, ""),
    "validate": (validate, ""),
    "restore": (train("--restore-file"), ""),
    "finetune": (train("--finetune-from-model"), ""),
    "ema": (train("--store-ema", "--ema-seed-model"), ""),
    "teacher": (train("--criterion", "word_kd", "--teacher-path"), "--teacher-path "),
}  # fmt: skip


@checked
@pytest.mark.parametrize("name", COMMANDS)
def test_fairseqs_commands(
    name: str, data: Path, checkpoint: Path, malicious: Path, marker: Path, tmp_path: Path
) -> None:
    command, option = COMMANDS[name]
    output = command(data, checkpoint, malicious, tmp_path)
    assert f"Error: {option}{malicious}{REFUSED}" in last_line(output), output
    assert "weights_only" not in output  # torch's advice how to load it nevertheless
    assert not marker.exists()
    assert not list(tmp_path.glob("*.pt*"))


@checked
def test_embeddings_of_a_selector(malicious: Path, marker: Path, tmp_path: Path) -> None:
    write_labels(tmp_path, {"train": 16, "valid": 4})
    start = ("--init-embeddings-from", malicious)
    output = selector_cli.train(tmp_path, tmp_path / "selector", *start, width=None, fails=True)
    assert f"ValueError: --init-embeddings-from {malicious}{REFUSED}" in last_line(output)
    assert not marker.exists()


OWN: Dict[str, Tuple[Callable[..., List[Any]], str]] = {
    "sweep": (lambda data, bad, folder: ["sweep", data, "--path", bad, "--output", folder / "new", "--cpu"], ""),
    "oracle": (lambda data, bad, folder: ["oracle", data, "--path", bad, "--output", folder / "new", "--cpu"], ""),
    "distill": (lambda data, bad, folder: ["distill", data, "--path", bad, "--dest", folder / "new", "--cpu"], ""),
    "export": (lambda data, bad, folder: ["export", "--path", bad, "--output", folder / "new"], "--path "),
    "prune": (
        lambda data, bad, folder: ["prune", "--path", bad, "--fraction", 0.5, "--output", folder / "new"], "--path "
    ),
    "average": (lambda data, bad, folder: ["average", "--inputs", bad, bad, "--output", folder / "new"], "--inputs "),
}  # fmt: skip


@checked
@pytest.mark.parametrize("name", OWN)
def test_our_commands(
    name: str, data: Path, malicious: Path, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command, option = OWN[name]
    assert main([str(word) for word in command(data, malicious, tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == f"fairseq-flexdepth {name}: error: {option}{malicious}{REFUSED}, which could run code"
    assert not marker.exists()
    assert not (tmp_path / "new").exists()


@checked
def test_in_python(data: Path, malicious: Path, marker: Path) -> None:
    for load in (fairseq_flexdepth.load, training.parameters):
        with pytest.raises(ValueError, match=f"{malicious}: .* something else than weights and options"):
            load(str(malicious))
    with pytest.raises(ValueError, match="something else than weights and options"):
        fairseq_flexdepth.load(str(malicious), data=str(data), enc_layers=1)  # reads the options first
    assert not marker.exists()


@pytest.mark.skipif(CHECKS, reason="torch 2.6 and newer refuses code")
def test_old_torch_is_warned_of_once(data: Path, checkpoint: Path) -> None:
    output = cli.generate(data, f"{checkpoint}:{checkpoint}")
    assert output.count("load only checkpoints you trust") == 1
    assert len(cli.hypotheses(output)) == 20


def test_arrays_with_code(tmp_path: Path) -> None:
    marker = tmp_path / "code-ran"
    code = numpy.array([Code(marker)], dtype=object)
    pairs, seconds = numpy.array([[1, 1]]), numpy.array([1.0])
    numpy.savez(tmp_path / "test.labels.npz", pairs=pairs, scores=code, seconds=seconds, record="{}")
    with pytest.raises(ValueError, match="--depth-selector oracle:labels: .*/test.labels.npz: not the labels of"):
        load_labels(str(tmp_path), "test", "--depth-selector oracle:labels")
    numpy.save(tmp_path / "weights.npy", code)
    with pytest.raises(ValueError, match="weights.npy: not the weights of fairseq-flexdepth distill, or damaged: Obj"):
        WeightedSentences([], str(tmp_path / "weights.npy"))
    assert not marker.exists()
