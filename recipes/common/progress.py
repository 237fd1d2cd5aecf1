"""The state and the cost of each system of a recipe: ``ONLY=list``."""

from pathlib import Path
from typing import List, Optional

from recipes.common.cost import costs
from recipes.common.markdown import markdown_table
from recipes.common.plan import Plan
from recipes.common.training_log import entries


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


def table(plan: Plan, work: Path) -> str:
    """Return a Markdown table: state and cost of every system; measured hours of a system count for all its seeds."""
    commands = [command for step in plan.steps for command in step.commands]
    found = {cost.system: cost for cost in costs(commands, work)}
    rows: List[List[object]] = []
    for system in plan.systems():
        states = [
            state(work / unit) for unit in plan.units() if unit.rpartition("/")[0] == system
        ]
        rows.append([system, "; ".join(states)])
    return markdown_table(["system", "state"], rows, "ll")
