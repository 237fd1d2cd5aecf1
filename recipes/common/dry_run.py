"""The commands of a recipe, by its dry run."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Dict, List

RECIPES = Path(__file__).parents[1]


def printed_commands(script: Path, scale: str, work: Path) -> List[List[str]]:
    """The words of every command that ``DRY_RUN=1 SCALE=...`` prints, without where its output goes.

    Args:
        script: the recipe.
        scale: smoke, small or paper.
        work: its folder, which need not exist.

    Raises:
        RuntimeError: the recipe fails.
    """
    settings = {"DRY_RUN": "1", "SCALE": scale, "WORK": str(work), "GPUS": "0"}
    environment = {name: value for name, value in os.environ.items() if name not in ("SOURCE", "DATA", "SEEDS", "JOBS")}
    run = subprocess.run(["bash", str(script)], env={**environment, **settings}, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"DRY_RUN=1 SCALE={scale} {script}: {run.stderr}")
    lines = [shlex.split(line) for line in run.stdout.splitlines() if line.strip()]
    return [words[: words.index(">")] if ">" in words else words for words in lines]


def trained_systems(commands: List[List[str]]) -> Dict[str, List[str]]:
    """The options of ``fairseq-train`` for every system, by the name of its folder; the first seed's."""
    systems: Dict[str, List[str]] = {}
    for command in commands:
        if command[0] == "fairseq-train":
            folder = Path(command[command.index("--save-dir") + 1])
            systems.setdefault(folder.parent.name, command[2:])
    return systems
