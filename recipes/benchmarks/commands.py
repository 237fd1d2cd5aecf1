"""Timed command lines, on invented text and models with random weights."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, List, NamedTuple, Tuple

from recipes.benchmarks import common

PLUGIN = common.ROOT / "fairseq_flexdepth"


class Run(NamedTuple):
    """A finished command."""

    seconds: float  # wall-clock, start-up included
    output: str
    cpu: float  # seconds of all its threads
    other_load: float  # the share of all cores that other processes used meanwhile


def run(command: str, *arguments: Any) -> Run:
    """Run a command of this environment, with as many threads as the benchmark (``OMP_NUM_THREADS``).

    PYTHONPATH names the repository, since a console script would import the installed copy of the package, which may be
    older.

    Raises:
        SystemExit: the command failed.
    """
    timer, before = common.Timer(), os.times()
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(common.ROOT), *([inherited] if inherited else [])])
    whole = [str(Path(sys.executable).parent / command), *map(str, arguments)]
    done = timer(
        lambda: subprocess.run(
            whole, cwd=common.ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
    )
    if done.returncode != 0:
        raise SystemExit(f"{command}: failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Run(timer.seconds[-1], done.stdout + done.stderr, cpu, timer.other_load[-1])


def write_data(folder: Path, sentences: int, lengths: Tuple[int, int], vocabulary: int, seed: int) -> None:
    """Binarise invented text into ``FOLDER/bin``: ``train``, which is decoded, and ``valid``, of 10 sentences.

    Args:
        folder: the folder for all files.
        sentences: number of sentences in ``train``.
        lengths: the shortest and the longest sentence, in words.
        vocabulary: number of different words.
        seed: random seed of the text.
    """
    generator = random.Random(seed)
    words = [f"w{number}" for number in range(vocabulary)]
    (folder / "dict.txt").write_text("".join(f"{word} 1\n" for word in words), encoding="utf-8")
    for split, size in (("train", sentences), ("valid", 10)):
        lines = [" ".join(generator.choices(words, k=generator.randint(*lengths))) for _ in range(size)]
        for language in ("a", "b"):
            (folder / f"{split}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(
        "fairseq-preprocess", "-s", "a", "-t", "b", "--srcdict", folder / "dict.txt", "--joined-dictionary",
        "--trainpref", folder / "train", "--validpref", folder / "valid", "--destdir", folder / "bin",
    )  # fmt: skip


def write_checkpoint(folder: Path, data: Path, device: str, *options: Any) -> Path:
    """Train a model for one update in *folder*, and return the path of its checkpoint."""
    run(
        "fairseq-train", data, "--user-dir", PLUGIN, "--save-dir", folder, "--optimizer", "adam", "--max-tokens", 1000,
        "--max-update", 1, "--disable-validation", *cpu(device), *options,
    )  # fmt: skip
    return folder / "checkpoint_last.pt"


def cpu(device: str) -> List[str]:
    """Return the option that makes fairseq run on the CPU, if *device* is ``cpu``."""
    return ["--cpu"] if device == "cpu" else []
