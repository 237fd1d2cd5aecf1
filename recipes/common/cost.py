"""What a recipe's trainings cost: tokens, and hours at the speed that was measured.

    python -m recipes.common.cost recipes/PAPER/TABLE.sh [--scale paper] [--measured WORK]

WORK is the folder of a run of the recipe with few updates, such as UPDATES=200, on the machine in question: the
train.json of its systems say how many tokens a second they trained on. Selectors, minutes each, are left out.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from recipes.common.dry_run import printed_commands, trained_systems


class Cost(NamedTuple):
    """What one training takes."""

    system: str
    tokens: float
    hours: Optional[float]  # None where its speed was not measured


def tokens(options: List[str]) -> float:
    """The target tokens of a training's full batches: an upper bound, batches are rarely full to the last token."""

    def value(name: str) -> int:  # of several the last counts
        return int(options[len(options) - options[::-1].index(name)])

    return value("--max-update") * value("--update-freq") * value("--max-tokens")


def costs(systems: Dict[str, List[str]], measured: Optional[Path]) -> List[Cost]:
    """The cost of every system, in the recipe's order."""
    found = []
    for name, options in systems.items():
        if "--batch-size" in options:
            continue
        file = measured / name / "seed1" / "train.json" if measured else None
        hours = None
        if file is not None and file.is_file():
            speed = json.loads(file.read_text(encoding="utf-8"))["words_per_second"]
            hours = tokens(options) / speed / 3600
        found.append(Cost(name, tokens(options), hours))
    return found


def table(found: List[Cost]) -> str:
    """A row a system, and their sum."""
    known = [cost.hours for cost in found if cost.hours is not None]
    total = Cost("sum", sum(cost.tokens for cost in found), sum(known) if len(known) == len(found) else None)
    lines = ["| system | tokens, 10⁹ | hours |", "| --- | --: | --: |"]
    for cost in [*found, total]:
        hours = "" if cost.hours is None else f"{cost.hours:,.1f}"
        lines.append(f"| {cost.system} | {cost.tokens / 1e9:,.2f} | {hours} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    parser.add_argument("--scale", default="paper", choices=("smoke", "small", "paper"))
    parser.add_argument("--measured", type=Path, metavar="WORK")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = printed_commands(args.script, args.scale, Path(folder, "work"))
    print(table(costs(trained_systems(commands), args.measured)))


if __name__ == "__main__":
    main()
