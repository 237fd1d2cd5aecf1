"""The systems of a paper's tables: its folder's systems.tsv, one line each, with the options that make them."""

import csv
from pathlib import Path
from typing import List, NamedTuple, Optional

RECIPES = Path(__file__).parents[1]


class System(NamedTuple):
    """A row of a table of the paper."""

    table: str
    name: str
    paper_params: float  # millions
    paper_speed: Optional[float]  # relative to one of the table's systems; None where the paper gives none
    pruned: float  # the share of its weights that is zero
    vocabulary: int  # entries of each side, fairseq's four special ones included
    options: List[str]  # of fairseq-train


def systems(paper: str, table: Optional[str] = None) -> List[System]:
    """All systems of a paper, by its folder's name, or those of one table, in the paper's order."""
    with (RECIPES / paper / "systems.tsv").open(encoding="utf-8", newline="") as file:
        return [_system(row) for row in csv.DictReader(file, delimiter="\t") if table in (None, row["table"])]


def _system(row: dict) -> System:
    speed = row.get("paper_speed")
    return System(
        table=row["table"],
        name=row["system"],
        paper_params=float(row["paper_params_millions"]),
        paper_speed=float(speed) if speed else None,
        pruned=float(row.get("pruned") or 0),
        vocabulary=int(row["vocabulary"]),
        options=row["fairseq-train options"].split(),
    )
