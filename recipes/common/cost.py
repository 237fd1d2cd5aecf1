"""What a recipe's trainings cost: tokens, and hours at the speed that was measured.

    python -m recipes.common.cost recipes/PAPER/TABLE.sh [--scale paper] [--measured WORK]

WORK is the folder of a run of the recipe with few updates, such as UPDATES=200, on the machine in question: the
train.json of its systems say how long an update takes. Validations are not counted; selectors, minutes each, are left
out.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import List, NamedTuple, Optional

from recipes.common.dry_run import printed_commands, trained_systems, trainings


class Cost(NamedTuple):
    """What all trainings of a system take, one a seed."""

    system: str
    trainings: int
    tokens: float
    hours: Optional[float]  # None where its speed was not measured


def _value(options: List[str], name: str) -> int:
    """An option's value: of several the last counts."""
    return int(options[len(options) - options[::-1].index(name)])


def tokens(options: List[str]) -> float:
    """The target tokens of a training's full batches: an upper bound, batches are rarely full to the last token."""
    return _value(options, "--max-update") * _value(options, "--update-freq") * _value(options, "--max-tokens")


def costs(commands: List[List[str]], measured: Optional[Path]) -> List[Cost]:
    """The cost of every system of a recipe's *commands*, in their order."""
    found, seeds = [], trainings(commands)
    for name, options in trained_systems(commands).items():
        if "--batch-size" in options:
            continue
        file = measured / name / "seed1" / "train.json" if measured else None
        hours = None
        if file is not None and file.is_file():
            seconds = json.loads(file.read_text(encoding="utf-8"))["seconds_per_update"]
            hours = seeds[name] * _value(options, "--max-update") * seconds / 3600
        found.append(Cost(name, seeds[name], seeds[name] * tokens(options), hours))
    return found


def table(found: List[Cost]) -> str:
    """A row a system, and their sum."""
    known = [cost.hours for cost in found if cost.hours is not None]
    hours_of_all = sum(known) if len(known) == len(found) else None
    total = Cost("sum", sum(cost.trainings for cost in found), sum(cost.tokens for cost in found), hours_of_all)
    lines = ["| system | trainings | tokens, 10⁹ | hours |", "| --- | --: | --: | --: |"]
    for cost in [*found, total]:
        hours = "" if cost.hours is None else f"{cost.hours:,.1f}"
        lines.append(f"| {cost.system} | {cost.trainings} | {cost.tokens / 1e9:,.2f} | {hours} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    parser.add_argument("--scale", default="paper", choices=("smoke", "small", "paper"))
    parser.add_argument("--measured", type=Path, metavar="WORK")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = printed_commands(args.script, args.scale, Path(folder, "work"))
    print(table(costs(commands, args.measured)))


if __name__ == "__main__":
    main()
