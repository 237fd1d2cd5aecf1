"""``fairseq-flexdepth sharing``: the unique layer that each layer position uses ([takase2021] §2)."""

import argparse
import json

from fairseq_flexdepth.depth.sharing_strategies import STRATEGIES, Assignment, assign_layers

NAME = "sharing"
HELP = "show which unique layer each layer position uses (SEQUENCE, CYCLE, CYCLE (REV))"

EXAMPLES = (
    "fairseq-flexdepth sharing --layers 12 --unique 6 --strategy cycle_rev",
    "fairseq-flexdepth sharing --layers 6 --unique 1 --strategy cycle --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "--layers", type=int, required=True, metavar="N", help="number of layer positions of the encoder or decoder"
    )
    parser.add_argument(
        "--unique", type=int, required=True, metavar="M", help="number of unique layers, a divisor of N"
    )
    parser.add_argument("--strategy", choices=STRATEGIES, required=True, help="how positions share layers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def picture(assignment: Assignment) -> str:
    """A text table: one row of positions, one row of the unique layers that they use."""
    width = len(str(len(assignment)))
    rows = {"position": range(1, len(assignment) + 1), "unique layer": assignment}
    return "\n".join(f"{label:<12}  " + " ".join(f"{cell:>{width}}" for cell in cells) for label, cells in rows.items())


def run(args: argparse.Namespace) -> int:
    """Print the assignment of unique layers to positions.

    Raises:
        ValueError: the number of layers is below 1, or the number of unique layers does not divide it.
    """
    if args.layers < 1:
        raise ValueError(f"--layers {args.layers}: expected 1 or more")
    assignment = assign_layers(args.strategy, args.layers, args.unique)
    print(json.dumps({"assignment": assignment}) if args.json else picture(assignment))
    return 0
