"""fairseq's tasks for several languages, and mBART's: training, resuming on two ranks, and decoding at a depth."""

from pathlib import Path
from typing import Any, Dict

import pytest

from tests.integration import cli
from tests.integration.directions import TASKS, binarised_directions
from tests.integration.stock import stock_checkpoint

EXACT = ("--dropout", 0, "--optimizer", "sgd", "--lr", 0.1, "--max-tokens", 500, "--sample-encoder-depths", 1)


@pytest.fixture(scope="module")
def directions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binarised_directions(tmp_path_factory.mktemp("directions"))


@pytest.fixture(scope="module")
def trained(directions: Path, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """The folder of a training of each task in one process: an epoch and more."""
    folder = tmp_path_factory.mktemp("trained")
    for name, task in TASKS.items():
        output = cli.train(directions, folder / name, *EXACT, *task.training, "--update-freq", 2, "--max-epoch", 2)
        assert "valid_nll_e2d1" in output
    return {name: folder / name for name in TASKS}


@pytest.mark.parametrize("name", TASKS)
def test_two_ranks_and_a_resumed_training_equal_one_process(
    directions: Path, trained: Dict[str, Path], tmp_path: Path, name: str
) -> None:
    options = (*EXACT, *TASKS[name].training)
    cli.train_on_two_ranks(directions, tmp_path, *options, "--max-update", 2)
    cli.train(directions, tmp_path, *options, "--update-freq", 2, "--max-epoch", 2)
    assert cli.largest_difference(trained[name], tmp_path) < 1e-5


@pytest.mark.parametrize("name", TASKS)
def test_a_depth_decodes_as_a_stock_model_of_its_layers(
    directions: Path, trained: Dict[str, Path], tmp_path: Path, name: str
) -> None:
    checkpoint, depth = trained[name] / "checkpoint_last.pt", ("--enc-layers", 2, "--dec-layers", 1)
    decoding = TASKS[name].decoding
    output = cli.generate(directions, checkpoint, *decoding, *depth)
    assert "decoding with 2 of 3 encoder layers, 1 of 2 decoder layers" in output
    stock = cli.generate(directions, stock_checkpoint(checkpoint, (1, 2), (1,), tmp_path / "stock.pt"), *decoding)
    ours, theirs = (cli.hypotheses(text) for text in (output, stock))
    assert len(ours) == len(theirs) == 10
    for our_line, stock_line in zip(ours, theirs):
        assert _words(our_line) == _words(stock_line)
        assert _score(our_line) == pytest.approx(_score(stock_line), abs=1e-5)
    source = next(line.split("\t")[1] for line in output.splitlines() if line.startswith("S-0\t"))
    typed = " ".join(word for word in source.split() if not word.startswith(("__", "[")))
    interactive = cli.run(
        "fairseq-interactive", directions, "--user-dir", cli.PLUGIN, "--path", checkpoint, "--cpu", "--beam", 3,
        "--max-len-b", 10, *decoding, *depth, stdin=f"{typed}\n",
    )  # fmt: skip
    assert _words(cli.hypotheses(interactive)[0]) == _words(ours[0])
    validated = cli.run(
        "fairseq-validate", directions, "--user-dir", cli.PLUGIN, "--path", checkpoint, "--cpu", "--max-tokens", 500,
        "--num-workers", 0, *TASKS[name].training[:-2], *depth,
    ).splitlines()[-1]  # fmt: skip
    assert "nll_e2d1" in validated and "nll_e3d2" not in validated


def _words(line: str) -> Any:
    return line.split("\t")[::2]


def _score(line: str) -> float:
    return float(line.split("\t")[1])
