"""Estimate the cost of a recipe: tokens, floating-point operations (FLOP), hours at a measured speed, and disk space.

    python -m recipes.common.cost recipes/PAPER/TABLE.sh [--scale paper] [--measured WORK]
    python -m recipes.common.cost --all

WORK is the folder of a short run of the recipe on your machine, for example with UPDATES=200: its systems give the
seconds per update, its distill and oracle the sentences per second. A system that it has not trained gets the hours of
the system with the nearest FLOP per update, times the ratio of the FLOP, marked with ≈. Validation, start-up and the
decoding of test sets are not counted. Only --measured WORK knows the sizes of splits and dictionaries; without it they
follow from the commands. --all prints a row per recipe.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from recipes.common.decoding_speed import Decoding, decodings
from recipes.common.disk import GIGABYTE, DiskSpace
from recipes.common.dry_run import option, printed_commands, recipe_scripts, trained_systems, trainings
from recipes.common.flop import plain_flop, training_flop
from recipes.common.markdown import markdown_table
from recipes.common.recipe_models import RecipeModels, system_of

SENTENCE = 27  # tokens of an average sentence of WMT's English-German training set


class Cost(NamedTuple):
    """The cost of all trainings of a system, one per seed."""

    system: str
    trainings: int
    tokens: float
    flop: float
    relative: float  # FLOP, in those of the same model trained at its full depth alone, without a teacher
    hours: Optional[float] = None  # None if no speed was measured
    measured: bool = True  # False: the hours follow from another system's


def tokens(options: List[str]) -> float:
    """Return the target tokens of a training as if every batch were full, which is an upper bound.

    In batches of sentences, each sentence counts as SENTENCE tokens.
    """
    updates = int(option(options, "--max-update"))
    if "--batch-size" in options:
        return updates * int(option(options, "--batch-size")) * SENTENCE
    return updates * int(option(options, "--update-freq")) * int(option(options, "--max-tokens"))


def costs(commands: List[List[str]], measured: Optional[Path] = None) -> List[Cost]:
    """Return the cost of every system that a recipe's *commands* train, in their order.

    Args:
        commands: the printed commands of the recipe.
        measured: the folder of a short run, or ``None``.

    Raises:
        ValueError: fairseq refuses the options of a training, or its teacher is not trained by the recipe.
    """
    models, seeds, options = RecipeModels(commands), trainings(commands), trained_systems(commands)
    found: Dict[str, Cost] = {}
    for folder in models.folders():
        name = system_of(folder)
        if name not in found:
            number, model = seeds[name] * tokens(options[name]), models.model(folder)
            flop = training_flop(model)
            found[name] = Cost(name, seeds[name], number, number * flop, flop / plain_flop(model))
    if measured is None:
        return list(found.values())
    updates = {name: int(option(options[name], "--max-update")) for name in found}
    return _with_hours(list(found.values()), updates, measured)


def _with_hours(found: List[Cost], updates: Dict[str, int], measured: Path) -> List[Cost]:
    """Add the hours: from a system's own speed, or from the speed of the system with the nearest FLOP per update."""
    speeds: List[Tuple[float, float]] = []  # of measured systems: FLOP per update, seconds per update
    seconds: Dict[str, float] = {}
    per_update = {cost.system: cost.flop / cost.trainings / updates[cost.system] for cost in found}
    for cost in found:
        file = measured / cost.system / "seed1" / "train.json"
        if file.is_file():
            seconds[cost.system] = json.loads(file.read_text(encoding="utf-8"))["seconds_per_update"]
            speeds.append((per_update[cost.system], seconds[cost.system]))
    if not speeds:
        return found
    result = []
    for cost in found:
        own = per_update[cost.system]
        flop, taken = min(speeds, key=lambda speed: abs(math.log(speed[0] / own)))
        pace = seconds.get(cost.system, taken * own / flop)
        hours = cost.trainings * updates[cost.system] * pace / 3600
        result.append(cost._replace(hours=hours, measured=cost.system in seconds))
    return result


def short(number: Optional[float]) -> str:
    """Return a number with three digits, or more before the point; an empty text for ``None``."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def table(found: List[Cost], space: Tuple[DiskSpace, DiskSpace], decoded: List[Decoding]) -> str:
    """Return a Markdown table: one row per system and per long decoding, the data, and the sum.

    Args:
        found: the costs of the systems.
        space: their disk space, by default and with KEEP=all.
        decoded: the decodings of distill and oracle.
    """
    by_system = [one.systems() for one in space]
    rows: List[List[object]] = []
    for cost in found:
        numbers = cost.tokens / 1e9, cost.flop / 1e18, cost.relative
        hours = short(cost.hours) if cost.measured else f"≈ {short(cost.hours)}"
        sizes = [size[cost.system] / GIGABYTE for size in by_system]
        rows.append([cost.system, cost.trainings, *map(short, numbers), hours, *map(short, sizes)])
    rows += [[one.name, "", "", "", "", short(one.hours), "", ""] for one in decoded]
    rows.append(["data", "", "", "", "", "", *(short(one.data / GIGABYTE) for one in space)])
    known = [cost.hours for cost in found] + [one.hours for one in decoded]
    hours = "" if None in known else short(sum(hour for hour in known if hour is not None))
    sums = sum(cost.tokens for cost in found) / 1e9, sum(cost.flop for cost in found) / 1e18
    sizes = [(one.data + sum(one.after.values())) / GIGABYTE for one in space]
    mark = "" if not hours or all(cost.measured for cost in found) else "≈ "
    trained = sum(cost.trainings for cost in found)
    rows.append(["sum", trained, *map(short, sums), "", mark + hours, *map(short, sizes)])
    heads = ["system", "trainings", "tokens, 10⁹", "FLOP, 10¹⁸", "× plain", "hours", "GB", "GB with KEEP=all"]
    return markdown_table(heads, rows, "lrrrrrrr")


def print_recipe(script: Path, scale: str, measured: Optional[Path]) -> None:
    """Print the table of a recipe and its largest disk space."""
    with tempfile.TemporaryDirectory() as folder:
        work = measured.resolve() if measured else Path(folder, "work")
        commands = printed_commands(script, scale, work)  # of the whole recipe, not of the short run
        space = DiskSpace(commands), DiskSpace(commands, keep_all=True)
        print(table(costs(commands, measured and work), space, decodings(commands, work)))
    default, kept = (one.peak(jobs=1) / GIGABYTE for one in space)
    print(f"\nLargest disk space with JOBS=1: {short(default)} GB; with KEEP=all {short(kept)} GB.")


def row_of(script: Path, scale: str) -> List[str]:
    """Return a recipe's numbers for the table of all recipes: trainings, tokens, FLOP, and the largest disk space."""
    with tempfile.TemporaryDirectory() as folder:
        commands = printed_commands(script, scale, Path(folder, "work"))
    found = costs(commands)
    space = [DiskSpace(commands, keep_all).peak(jobs=1) / GIGABYTE for keep_all in (False, True)]
    sums = sum(cost.tokens for cost in found) / 1e9, sum(cost.flop for cost in found) / 1e18
    return [str(sum(cost.trainings for cost in found)), *map(short, (*sums, *space))]


def table_of_all(scale: str) -> str:
    """Return a Markdown table with a row per recipe."""
    heads = ["script", "trainings", "tokens, 10⁹", "FLOP, 10¹⁸", "GB", "GB with KEEP=all"]
    rows = [[f"{name}.sh", *row_of(script, scale)] for name, script in recipe_scripts().items()]
    return markdown_table(heads, rows, "lrrrrr")


def main() -> None:
    """Print the table of a recipe, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path, nargs="?")
    parser.add_argument("--all", action="store_true", help="a row per recipe")
    parser.add_argument("--scale", default="paper", choices=("smoke", "small", "paper"))
    parser.add_argument("--measured", type=Path, metavar="WORK", help="folder of a short run, which gives the speed")
    args = parser.parse_args()
    if args.all == (args.script is not None):
        parser.error("expected a script or --all")
    if args.all:
        print(table_of_all(args.scale))
    else:
        print_recipe(args.script, args.scale, args.measured)


if __name__ == "__main__":
    main()
