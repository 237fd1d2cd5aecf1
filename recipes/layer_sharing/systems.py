"""The systems of layer_sharing's tables: systems.tsv, one line each, with the options that make them."""

import csv
from pathlib import Path
from typing import List, NamedTuple, Optional

FILE = Path(__file__).with_name("systems.tsv")


class System(NamedTuple):
    """A row of a table of the paper."""

    table: str
    name: str
    paper_params: float  # millions
    paper_speed: Optional[float]  # relative to the table's Universal; None where the paper gives none
    vocabulary: int  # entries, fairseq's four special ones included
    options: List[str]  # of fairseq-train


def systems(table: Optional[str] = None) -> List[System]:
    """All systems, or those of one table, in the paper's order."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    return [
        System(name, system, float(params), float(speed) if speed else None, int(vocabulary), options.split())
        for name, system, params, speed, vocabulary, options in rows
        if table in (None, name)
    ]
