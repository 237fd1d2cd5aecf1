"""The commands of a recipe, as its dry run prints them."""

import csv
import os
import shlex
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Dict, List, Tuple

RECIPES = Path(__file__).parents[1]
# Environment variables that change a recipe's commands. They are ignored here: a user may have exported some.
SETTINGS = (
    "CHECK", "CUDA_VISIBLE_DEVICES", "DATA", "DECODE_SENTENCES", "DOWNLOADS", "FP16", "JOBS", "KEEP", "LAUNCH",
    "LONGEST", "ONLY", "PAIRS", "SEEDS", "SEGMENTER", "SELECTOR_OPTIONS", "SOURCE", "TEACHER_UPDATES", "UPDATES",
    "WORKERS",
)  # fmt: skip


def recipe_scripts() -> Dict[str, Path]:
    """Return every recipe by its name, such as ``tied_multi/table1``: the executable scripts beside a ``setup.sh``."""
    return {
        f"{script.parent.name}/{script.stem}": script
        for script in sorted(RECIPES.glob("*/*.sh"))
        if (script.parent / "setup.sh").exists() and script.stat().st_mode & 0o100
    }


def split_lines(output: str) -> List[List[str]]:
    """Return the words of each line that a dry run prints, without LAUNCH and shards.sh, which run a command."""
    launch = os.environ.get("LAUNCH", "").split()
    lines = []
    for line in output.splitlines():
        words = shlex.split(line)
        if launch and words[: len(launch)] == launch:
            del words[: len(launch)]
        if words[:1] == ["bash"] and words[1].endswith("common/shards.sh"):
            del words[:5]
        if words:
            lines.append(words)
    return lines


def printed_lines(script: Path, scale: str, work: Path, **others: str) -> List[List[str]]:
    """Return the lines that ``DRY_RUN=1 SCALE=...`` prints, each as its words; some end in ``>`` and a file.

    Exported SETTINGS are ignored.

    Args:
        script: the recipe.
        scale: smoke, small or paper.
        work: its WORK folder, which need not exist.
        others: settings, such as ``UPDATES="200"``.

    Raises:
        RuntimeError: the recipe fails.
    """
    settings = {"DRY_RUN": "1", "SCALE": scale, "WORK": str(work), "GPUS": "0", **others}
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    run = subprocess.run(["bash", str(script)], env={**environment, **settings}, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"DRY_RUN=1 SCALE={scale} {script}: {run.stderr}")
    return split_lines(run.stdout)


def printed_commands(script: Path, scale: str, work: Path, **others: str) -> List[List[str]]:
    """Return the same lines without redirections: the commands."""
    return [without_redirection(words) for words in printed_lines(script, scale, work, **others)]


def without_redirection(words: List[str]) -> List[str]:
    """Return the words of a command without ``>`` and its file."""
    return words[: words.index(">")] if ">" in words else words


def option(command: List[str], name: str) -> str:
    """Return the value of an option; if it is given several times, the last one counts."""
    return command[len(command) - command[::-1].index(name)]


def is_training(command: List[str]) -> bool:
    """Return whether a command is a training."""
    return command[0] == "fairseq-train"


def trainings(commands: List[List[str]]) -> Dict[str, int]:
    """Return the number of trainings (seeds) of every system, by the name of its folder."""
    folders = {option(command, "--save-dir") for command in commands if is_training(command)}
    return Counter(Path(folder).parent.name for folder in folders)


def trained_systems(commands: List[List[str]]) -> Dict[str, List[str]]:
    """Return the ``fairseq-train`` options of every system's first seed, by the name of its folder."""
    systems: Dict[str, List[str]] = {}
    for command in commands:
        if is_training(command):
            folder = Path(option(command, "--save-dir"))
            systems.setdefault(folder.parent.name, command[2:])
    return systems


def table_systems(paper: str, table: str) -> List[Tuple[Dict[str, str], List[str]]]:
    """Return the rows of a table whose systems are trained, with their ``fairseq-train`` options at SCALE=paper.

    Args:
        paper: a folder of recipes/.
        table: a table of that paper, such as ``table1``.
    """
    with tempfile.TemporaryDirectory() as folder:
        commands = printed_commands(RECIPES / paper / f"{table}.sh", "paper", Path(folder, "work"))
    options = trained_systems(commands)
    with (RECIPES / paper / f"{table}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(row, options[row["system"]]) for row in rows if row.get("system") in options]
