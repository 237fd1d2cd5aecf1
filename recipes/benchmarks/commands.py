"""Whole command lines, timed, on made-up text and models of random weights."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Tuple

from recipes.benchmarks import common

PLUGIN = common.ROOT / "fairseq_flexdepth"


def run(command: str, *arguments: Any) -> Tuple[float, str]:
    """Run a command of this environment; its seconds, start-up included, and what it printed.

    A console script would import the installed copy of the package, which may be older than the repository's.
    """
    timer = common.Timer()
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
    return timer.seconds[-1], done.stdout + done.stderr


def write_data(folder: Path, sentences: int, lengths: Tuple[int, int], vocabulary: int, seed: int) -> None:
    """Binarise made-up text into the folder ``bin``: *sentences* to decode as ``train``, a few as ``valid``.

    Args:
        folder: where everything goes.
        sentences: their number.
        lengths: the shortest and the longest, in words.
        vocabulary: the number of words.
        seed: of the text.
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
    """The checkpoint of a random model in *folder*: a training of one update."""
    run(
        "fairseq-train", data, "--user-dir", PLUGIN, "--save-dir", folder, "--optimizer", "adam", "--max-tokens", 1000,
        "--max-update", 1, "--disable-validation", *cpu(device), *options,
    )  # fmt: skip
    return folder / "checkpoint_last.pt"


def cpu(device: str) -> List[str]:
    """What tells fairseq to leave a GPU alone."""
    return ["--cpu"] if device == "cpu" else []
