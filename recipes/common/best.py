"""Link to the best of several models.

    python -m recipes.common.best FILE:KEY OUTPUT CHECKPOINT...

FILE.json is in the folder of each checkpoint. If it lists depths, the deepest pair counts (recipes/common/cells.py). If
models are equally good, the first is taken.
"""

import argparse
from pathlib import Path

from recipes.common.cells import Measurements
from recipes.common.data.files import link


def score(cell: str, checkpoint: Path) -> float:
    """Return the score of a model.

    Raises:
        ValueError: the model was not scored.
    """
    seed = checkpoint.parent
    value = Measurements(seed.parent.parent).value(f"{seed.parent.name}/{cell}", {}, seed.name)
    if value is None:
        raise ValueError(f"{checkpoint}: no {cell} in its folder")
    return value


def main() -> None:
    """Print all scores and link to the best model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", metavar="FILE:KEY")
    parser.add_argument("output", type=Path)
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    args = parser.parse_args()
    scores = [score(args.cell, checkpoint) for checkpoint in args.checkpoints]
    for checkpoint, reached in zip(args.checkpoints, scores):
        print(f"{checkpoint}: {reached}")
    chosen = args.checkpoints[scores.index(max(scores))]
    link(chosen, args.output)


if __name__ == "__main__":
    main()
