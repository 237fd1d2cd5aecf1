"""A tiny corpus and a tiny trained model, made once for all integration tests of a process."""

import json
import os
from pathlib import Path
from typing import Callable, List

import pytest

import fairseq_flexdepth  # noqa: F401  (lets torch's safe loader read checkpoints)
from recipes.common.dry_run import printed_lines, recipe_scripts
from tests.integration import cli


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binarised corpus of 200 training, 20 validation and 20 test pairs."""
    folder = tmp_path_factory.mktemp("corpus")
    cli.write_reversal_corpus(folder / "text", {"train": 200, "valid": 20, "test": 20})
    cli.binarise(folder / "text", folder / "bin")
    return folder / "bin"


@pytest.fixture(scope="session")
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 3x2 tied-multi model after a few updates."""
    folder = tmp_path_factory.mktemp("model")
    cli.train(data, folder)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="session")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 3x2 tied-multi model that has learned enough to translate different sentences differently."""
    folder = tmp_path_factory.mktemp("teacher")
    cli.train(data, folder, "--max-update", 60, "--lr", 0.01, "--dropout", 0, "--max-tokens", 2000)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="session")
def paper_scale_lines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], List[List[str]]]:
    """A function that returns the lines of a recipe's dry run; the processes of pytest-xdist share them."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def lines(recipe: str) -> List[List[str]]:
        file = folder / "dry-runs" / f"{recipe}.json"
        if not file.exists():
            work = folder / "dry-runs" / "work"
            printed = printed_lines(recipe_scripts()[recipe], "paper", work)
            assert not work.exists()
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(printed), encoding="utf-8")
            part.replace(file)
        return json.loads(file.read_text(encoding="utf-8"))

    return lines
