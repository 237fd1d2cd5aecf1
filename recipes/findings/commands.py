"""The commands that make a system, as a recipe's dry run prints them, without what depends on the machine.

A record keeps them. If the recipe prints others later, the record is stale.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Tuple

from recipes.common.dry_run import RECIPES, printed_lines

OUTPUT_OPTIONS = ("--save-dir", "--output", "--dest", "--destdir", ">")
MACHINE_OPTIONS = ("--cpu", "--fp16")
PLACE = Path("/WORK")  # stands for the folder of all systems
Lines = Tuple[Tuple[str, ...], ...]


@lru_cache(maxsize=None)
def recipe_lines(recipe: str, scale: str, data: str, seeds: int) -> Lines:
    """Return the lines of a recipe's dry run, each as its words, with WORK and REPOSITORY in place of the folders.

    Args:
        recipe: such as ``tied_multi/table1``.
        scale: smoke, small or paper.
        data: the setting DATA; empty: the recipe's own.
        seeds: the setting SEEDS.

    Raises:
        RuntimeError: the recipe fails.
    """
    settings = {"SEEDS": str(seeds), "WORKERS": "1", **({"DATA": data} if data else {})}
    lines = printed_lines(RECIPES / f"{recipe}.sh", scale, PLACE, **settings)
    places = {str(PLACE): "WORK", str(RECIPES.parent): "REPOSITORY"}
    return tuple(tuple(_replaced(word, places) for word in words if word not in MACHINE_OPTIONS) for words in lines)


def _replaced(word: str, places: Dict[str, str]) -> str:
    for place, name in places.items():
        word = word.replace(place, name)
    return word


def outputs(words: Tuple[str, ...]) -> List[str]:
    """Return the paths that a command writes."""
    if "recipes.common.best" in words:
        return [words[words.index("recipes.common.best") + 2]]
    return [following for option, following in zip(words, words[1:]) if option in OUTPUT_OPTIONS]


def system_commands(lines: Lines, system: str, seed: str) -> List[str]:
    """Return the commands that write into the folder of a system and seed, and those that make what they read."""
    folder = f"WORK/{system}/{seed}"
    chosen = [words for words in lines if any(f"{path}/".startswith(f"{folder}/") for path in outputs(words))]
    for words in chosen:  # which grows
        read = [word for word in words if word.startswith("WORK/") and word not in outputs(words)]
        for other in lines:
            makes = any(f"{path}/".startswith(f"{made}/") for made in outputs(other) for path in read)
            if makes and other not in chosen:
                chosen.append(other)
    return [" ".join(words) for words in lines if words in chosen]


def trained_folders(lines: Lines) -> List[Tuple[str, str]]:
    """Return system and seed of every folder in WORK into which a recipe's commands write."""
    found: Dict[Tuple[str, str], None] = {}
    for words in lines:
        for path in outputs(words):
            match = re.match(r"WORK/([^/]+)/(seed\d+)(?=/|$)", path)
            if match is not None:
                found[match.group(1), match.group(2)] = None
    return list(found)


def outputs_exist(command: str, work: Path) -> bool:
    """Return whether a command of `system_commands` has run: all that it writes exists in *work*."""
    return all((work / path[len("WORK/") :]).exists() for path in outputs(tuple(command.split())))


def same_training(folder: Path, commands: List[str], work: Path) -> None:
    """Compare the command that began a training, folder/train.command, with the recipe's.

    Raises:
        ValueError: their options differ.
    """
    begun = folder / "train.command"
    place = f"--save-dir WORK/{folder.parent.name}/{folder.name} "
    trainings = [one for one in commands if one.startswith("fairseq-train ") and place in one]
    if not trainings and not begun.exists():
        return
    before = _options(begun.read_text(encoding="utf-8"), work) if begun.exists() else "nothing"
    now = _options(trainings[0], work) if trainings else "nothing"
    if before != now:
        raise ValueError(f"{begun}: another command than the recipe's\n  begun: {before}\n  recipe: {now}")


def _options(command: str, work: Path) -> str:
    """Return the options of a training after those that depend on the machine: from --seed on, without quotes."""
    text = re.sub(r"""["'\\$]""", "", command).replace(str(work), "WORK").replace(str(RECIPES.parent), "REPOSITORY")
    return " ".join(text[text.find("--seed ") :].split())


def stale_commands(recorded: List[str], lines: Lines) -> List[str]:
    """Return the commands of a record that the recipes no longer print."""
    current = {" ".join(words) for words in lines}
    return [command for command in recorded if command not in current]
