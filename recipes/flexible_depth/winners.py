"""Count the depth pairs at which each of Baseline, LayerDrop and MT is the best ([wang2020] §4.2).

    python -m recipes.flexible_depth.winners WORK

It prints {"base": COUNT, "ld": COUNT, "mt": COUNT, "all": COUNT}, with the paper's names of the systems; "all" is the
number of depth pairs measured.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Dict, List

from recipes.common.cells import Measurements

SYSTEMS = {
    "base": "baseline-{encoder}-{decoder}/test/sweep:bleu",
    "ld": "layerdrop/test/sweep:bleu@{encoder},{decoder}",
    "mt": "mt-optimal/test/sweep:bleu@{encoder},{decoder}",
}


def count_wins(rows: List[Dict[str, str]], measurements: Measurements) -> Dict[str, int]:
    """Count how many of *rows*, the depth pairs of Table 1, each system wins, and at how many all three were measured.

    If several systems are best, the first of Baseline, LayerDrop and MT wins.
    """
    wins = {**dict.fromkeys(SYSTEMS, 0), "all": 0}
    for row in rows:
        reached = {}
        for name, cell in SYSTEMS.items():
            bleu = measurements.value(cell, row)
            if bleu is not None:
                reached[name] = bleu
        if len(reached) == len(SYSTEMS):
            wins[max(reached, key=lambda name: reached[name])] += 1
            wins["all"] += 1
    return wins


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    work = parser.parse_args().work
    with Path(__file__).with_name("table1.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    print(json.dumps(count_wins(rows, Measurements(work))))


if __name__ == "__main__":
    main()
