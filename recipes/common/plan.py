"""The steps of a recipe and what each needs, read from its dry run: for ``ONLY`` and for job arrays.

    python -m recipes.common.plan list   SCRIPT --work WORK     # the systems: state and cost
    python -m recipes.common.plan steps  SCRIPT --work WORK     # the steps that make the systems of ONLY, a line each
    python -m recipes.common.plan levels SCRIPT --work WORK     # systems and other steps; a line needs earlier ones

The settings are those of the environment. A step needs the steps that make the paths of its commands. A path is made
by the step that names it first, and by the steps whose own names are below it. If the path is in a folder that another
step has made, a step elsewhere that names it first only reads it.
"""

import argparse
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from recipes.common.dry_run import split_lines

_SEED = re.compile(r"(?P<system>.+)/(?P<seed>seed\d+)/.+")


class Step(NamedTuple):
    """A step of a recipe."""

    name: str  # its path in the folder of the recipe's output
    commands: List[List[str]]

    @property
    def unit(self) -> str:
        """``SYSTEM/seedN`` of a step in the folder of a system, or else its name."""
        found = _SEED.fullmatch(self.name)
        return f"{found['system']}/{found['seed']}" if found else self.name

    @property
    def trains(self) -> bool:
        """Whether the step trains a model."""
        return any("fairseq-train" in command for command in self.commands)


class Plan:
    """The steps of a recipe, in their order, and their needs.

    Args:
        steps: the steps.
        work: the folder of the recipe's output.
    """

    def __init__(self, steps: Sequence[Step], work: str) -> None:
        self.steps = list(steps)
        self.needs: List[Set[int]] = []  # the numbers of earlier steps, by the number of a step
        makers: Dict[str, int] = {}
        for number, step in enumerate(self.steps):
            commands = [command for command in step.commands if command[0] != "mkdir"]
            paths = {path for command in commands for word in command for path in paths_in(word, work)}
            needed = set()
            for path in sorted(paths):
                made = [above for above in _upwards(path) if above in makers]
                needed |= {makers[above] for above in made}
                # a path may be the prefix of files
                needed |= {maker for other, maker in makers.items() if other.startswith(f"{path}.")}
                needed |= {earlier for earlier in range(number) if self.steps[earlier].name.startswith(f"{path}/")}
                if not made or step.name.startswith(f"{made[0]}/"):
                    makers.setdefault(path, number)
            self.needs.append(needed - {number})

    def closure(self, numbers: Set[int]) -> Set[int]:
        """Return these steps and all that they need."""
        found, open_ = set(numbers), list(numbers)
        while open_:
            for needed in self.needs[open_.pop()] - found:
                found.add(needed)
                open_.append(needed)
        return found

    def systems(self) -> List[str]:
        """Return the names of the systems that the recipe trains, in their order."""
        return list(dict.fromkeys(step.unit.rpartition("/")[0] for step in self.steps if step.trains))

    def units(self) -> Dict[str, Set[int]]:
        """Return the numbers of the steps by system and seed, or by the name of a step that belongs to no system.

        A step in the folder of a system that needs a later training, such as decoding by a selector, is left out.
        """
        trained = {step.unit: number for number, step in reversed(list(enumerate(self.steps))) if step.trains}
        units: Dict[str, Set[int]] = {}
        for number, step in enumerate(self.steps):
            trainings = {other for other in self.closure({number}) if self.steps[other].trains}
            if max(trainings, default=0) <= trained.get(step.unit, len(self.steps)):
                units.setdefault(step.unit, set()).add(number)
        return units

    def data(self) -> Set[int]:
        """Return the numbers of the steps that make the corpora: they belong to no system and need no training."""
        return {
            number
            for number, step in enumerate(self.steps)
            if step.unit == step.name and not any(self.steps[other].trains for other in self.closure({number}))
        }

    def chosen(self, names: Sequence[str]) -> List[str]:
        """Return the names of the steps that make *names*: systems, seeds of systems, steps, or ``data``.

        Raises:
            ValueError: a name is unknown.
        """
        units, chosen = self.units(), set()
        for name in names:
            if name == "data":
                chosen |= self.data()
                continue
            found = [unit for unit in units if unit == name or unit.rpartition("/")[0] == name]
            if not found:
                raise ValueError(f"ONLY={name}: no such system; there are {', '.join(self.systems())}")
            chosen |= set().union(*(units[unit] for unit in found))
        return [self.steps[number].name for number in sorted(self.closure(chosen))]

    def levels(self) -> List[List[str]]:
        """Return the units but those of the data in levels: a unit needs only units of earlier levels."""
        data = self.data()
        units = {unit: numbers for unit, numbers in self.units().items() if not numbers <= data}
        unit_of = {number: unit for unit, numbers in units.items() for number in numbers}
        level: Dict[str, int] = {}
        for unit, numbers in units.items():  # in the order of their first steps, so that needs come first
            needed = {unit_of[other] for number in numbers for other in self.needs[number] - data} - {unit}
            level[unit] = 1 + max((level.get(other, -1) for other in needed), default=-1)
        return [[unit for unit in units if level[unit] == wanted] for wanted in sorted(set(level.values()))]


def paths_in(word: str, work: str) -> Iterator[str]:
    """Yield the paths below *work* in a word, such as ``a.pt`` and ``b.pt`` in ``WORK/a.pt:WORK/b.pt``."""
    for found in re.finditer(re.escape(work) + r"/([^\s:,'\"]+)", word):
        yield found.group(1).rstrip("/")


def _upwards(path: str) -> List[str]:
    """Return a path and the folders above it."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def read_plan(script: Path, work: str) -> Plan:
    """Return the plan of a recipe with the settings of the environment, except ONLY.

    Raises:
        ValueError: the recipe does not accept the settings.
    """
    # GPUS: so that batches hold all tokens of an update
    settings = {**os.environ, "DRY_RUN": "steps", "WORK": work, "ONLY": "", "GPUS": "0", "LAUNCH": ""}
    run = subprocess.run(["bash", str(script)], env=settings, capture_output=True, text=True)
    if run.returncode != 0:
        raise ValueError(run.stderr.strip().partition("error: ")[2] or run.stderr)
    return Plan(steps_of(split_lines(run.stdout), work), work)


def steps_of(lines: Sequence[List[str]], work: str) -> List[Step]:
    """Return the steps in the lines that ``DRY_RUN=steps`` prints; a step that occurs twice is taken once."""
    steps: Dict[str, Step] = {}
    current: Optional[Step] = None
    for words in lines:
        if words[:2] == [":", "step"]:
            name = os.path.relpath(words[2], work)
            current = steps.setdefault(name, Step(name, []))
        elif words == [":", "end"]:
            current = None
        elif current is not None:
            current.commands.append(words)
    return list(steps.values())


def main() -> None:
    """Print the steps, the levels or the systems of a recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("print", choices=("list", "steps", "levels"))
    parser.add_argument("script", type=Path, metavar="SCRIPT")
    parser.add_argument("--work", required=True, help="the folder of the recipe's output")
    args = parser.parse_args()
    try:
        plan = read_plan(args.script, args.work)
        if args.print == "list":
            logging.getLogger("fairseq.tasks").setLevel(logging.WARNING)  # it recommends packages
            from recipes.common.progress import table  # imports torch

            print(table(plan, Path(args.work)))
        elif args.print == "steps":
            names = plan.chosen(os.environ["ONLY"].split())
            print("\n".join(os.path.join(args.work, name) for name in names))
        else:
            print("\n".join(" ".join(level) for level in plan.levels()))
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
