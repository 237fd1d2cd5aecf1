"""Link to the best of several models.

    python -m recipes.common.best FILE:KEY OUTPUT CHECKPOINT FOLDER...

Each folder contains FILE.json and a checkpoint of this name. If the file lists depths, the deepest pair counts
(recipes/common/cells.py). If models are equally good, the first is taken.
"""

import argparse
from pathlib import Path

from recipes.common.cells import Measurements
from recipes.common.data.files import link


def score(cell: str, folder: Path) -> float:
    """Return the score of a model.

    Raises:
        ValueError: the model was not scored.
    """
    value = Measurements(folder.parent.parent).value(f"{folder.parent.name}/{cell}", {}, folder.name)
    if value is None:
        raise ValueError(f"{folder}: no {cell} in this folder")
    return value


def main() -> None:
    """Print all scores and link to the best model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", metavar="FILE:KEY")
    parser.add_argument("output", type=Path)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="name of the checkpoints")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    scores = [score(args.cell, folder) for folder in args.folders]
    for folder, reached in zip(args.folders, scores):
        print(f"{folder}: {reached}")
    link(args.folders[scores.index(max(scores))] / args.checkpoint, args.output)


if __name__ == "__main__":
    main()
