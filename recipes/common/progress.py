"""The state and the cost of each system of a recipe: ``ONLY=list``."""

import os
import re
from pathlib import Path
from typing import List, Optional

from fairseq_flexdepth.files.training_log import entries
from recipes.common.cost import costs, short
from recipes.common.disk import GIGABYTE, DiskSpace
from recipes.common.dry_run import option, trained_systems, without_redirection
from recipes.common.markdown import markdown_table
from recipes.common.plan import Plan


def state(folder: Path) -> str:
    """Return the state of a training, given the folder of the system and the seed."""
    if (folder / "train.done").exists():
        return "trained"
    updates = _updates(folder / "train.log")
    begun = "not begun" if updates is None else f"{updates:,} updates"
    claim = folder / "train.claim"
    if claim.exists():
        host = claim.read_text(encoding="utf-8").partition("/")[0]
        return f"{begun}, claimed on {host}"
    return begun


def _updates(log: Path) -> Optional[int]:
    """Return the number of updates that a log reports last."""
    if not log.exists():
        return None
    numbers = [numbers["num_updates"] for _, numbers in entries(log) if "num_updates" in numbers]
    return int(numbers[-1]) if numbers else 0


def gpus(log: Path) -> int:
    """Return the number of GPUs, or of other devices, on which a training runs."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return max(map(int, re.findall(r"\| training on (\d+) devices", text)), default=1)


def table(plan: Plan, work: Path) -> str:
    """Return a Markdown table with a row per system: the state of every seed, and the cost of all seeds.

    The GPU-hours follow from the speed of the trainings in *work*.
    """
    commands = [without_redirection(command) for step in plan.steps for command in step.commands]
    sizes = DiskSpace(commands, keep_all=os.environ.get("KEEP") == "all").systems()
    number = max((gpus(log) for log in work.glob("*/seed1/train.log")), default=1)
    options, all_units = trained_systems(commands), plan.units()
    rows: List[List[object]] = []
    for cost in costs(commands, work):
        units = [unit for unit in all_units if unit.rpartition("/")[0] == cost.system]
        hours = "" if cost.hours is None else f"{'' if cost.measured else '≈ '}{short(number * cost.hours)}"
        updates = option(options[cost.system], "--max-update")
        rows.append([
            cost.system, "; ".join(state(work / unit) for unit in units), cost.trainings, f"{int(updates):,}",
            short(cost.tokens / 1e9), hours, short(sizes[cost.system] / GIGABYTE),
        ])  # fmt: skip
    heads = ["system", "state", "seeds", "updates", "tokens, 10⁹", "GPU-hours", "GB"]
    return markdown_table(heads, rows, "llrrrrr")
