"""Which of several models did best: makes a link to it.

    python -m recipes.common.best FILE:KEY OUTPUT CHECKPOINT...

FILE.json lies beside each checkpoint; a list of depths is read at its deepest pair (recipes/common/cells.py). The first
of equals wins.
"""

import argparse
import os
from pathlib import Path

from recipes.common.cells import Measurements


def score(cell: str, checkpoint: Path) -> float:
    """What a model reached.

    Raises:
        ValueError: it was not measured.
    """
    seed = checkpoint.parent
    value = Measurements(seed.parent.parent).value(f"{seed.parent.name}/{cell}", {}, seed.name)
    if value is None:
        raise ValueError(f"{checkpoint}: no {cell} beside it")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", metavar="FILE:KEY")
    parser.add_argument("output", type=Path)
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    args = parser.parse_args()
    scores = [score(args.cell, checkpoint) for checkpoint in args.checkpoints]
    for checkpoint, reached in zip(args.checkpoints, scores):
        print(f"{checkpoint}: {reached}")
    chosen = args.checkpoints[scores.index(max(scores))]
    partial = args.output.with_suffix(".part")
    if partial.is_symlink():
        partial.unlink()
    partial.symlink_to(chosen.resolve())
    os.replace(partial, args.output)


if __name__ == "__main__":
    main()
