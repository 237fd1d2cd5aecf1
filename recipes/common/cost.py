"""Estimate the cost of a recipe's trainings: their tokens, and their hours at a measured speed.

    python -m recipes.common.cost recipes/PAPER/TABLE.sh [--scale paper] [--measured WORK]

WORK is the folder of a short run of the recipe on your machine, for example with UPDATES=200: the train.json of each
system contains the seconds per update. Validation is not counted. Selectors, which train for minutes, are left out.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import List, NamedTuple, Optional

from recipes.common.dry_run import printed_commands, trained_systems, trainings
from recipes.common.markdown import markdown_table

SENTENCE = 27  # tokens of an average sentence of WMT's English-German training set


class Cost(NamedTuple):
    """The cost of all trainings of a system, one per seed."""

    system: str
    trainings: int
    tokens: float
    hours: Optional[float]  # None if the speed was not measured


def _value(options: List[str], name: str) -> int:
    """Return the value of an option; if it is given several times, the last one counts."""
    return int(options[len(options) - options[::-1].index(name)])


def tokens(options: List[str]) -> float:
    """Return the target tokens of a training as if every batch were full, which is an upper bound.

    In batches of sentences, each sentence counts as SENTENCE tokens.
    """
    if "--batch-size" in options:
        return _value(options, "--max-update") * _value(options, "--batch-size") * SENTENCE
    return _value(options, "--max-update") * _value(options, "--update-freq") * _value(options, "--max-tokens")


def costs(commands: List[List[str]], measured: Optional[Path]) -> List[Cost]:
    """Return the cost of every system that a recipe's *commands* train, in their order.

    Args:
        commands: the printed commands of the recipe.
        measured: the folder of a short run, or ``None``.
    """
    found, seeds = [], trainings(commands)
    for name, options in trained_systems(commands).items():
        if "depth_selection" in options:
            continue
        file = measured / name / "seed1" / "train.json" if measured else None
        hours = None
        if file is not None and file.is_file():
            seconds = json.loads(file.read_text(encoding="utf-8"))["seconds_per_update"]
            hours = seeds[name] * _value(options, "--max-update") * seconds / 3600
        found.append(Cost(name, seeds[name], seeds[name] * tokens(options), hours))
    return found


def gigabytes(commands: List[List[str]]) -> float:
    """Return the GB that the checkpoints of a recipe's *commands* need; they are not estimated yet."""
    return 0.0


def table(found: List[Cost]) -> str:
    """Return a Markdown table: one row per system, and the sum."""
    known = [cost.hours for cost in found if cost.hours is not None]
    hours_of_all = sum(known) if len(known) == len(found) else None
    total = Cost("sum", sum(cost.trainings for cost in found), sum(cost.tokens for cost in found), hours_of_all)
    rows = [
        [cost.system, cost.trainings, f"{cost.tokens / 1e9:,.2f}", "" if cost.hours is None else f"{cost.hours:,.1f}"]
        for cost in [*found, total]
    ]
    return markdown_table(["system", "trainings", "tokens, 10⁹", "hours"], rows, "lrrr")


def main() -> None:
    """Print the table of a recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    parser.add_argument("--scale", default="paper", choices=("smoke", "small", "paper"))
    parser.add_argument("--measured", type=Path, metavar="WORK", help="folder of a short run, which gives the speed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = printed_commands(args.script, args.scale, Path(folder, "work"))
    print(table(costs(commands, args.measured)))


if __name__ == "__main__":
    main()
