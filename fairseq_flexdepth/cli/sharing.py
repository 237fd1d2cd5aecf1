"""``fairseq-flexdepth sharing``: which unique layer each layer position uses."""

import argparse
import json

from fairseq_flexdepth.depth.sharing import STRATEGIES, Assignment, assign_layers

NAME = "sharing"
HELP = "show which unique layer each position of a stack uses (SEQUENCE, CYCLE, CYCLE (REV))"

EXAMPLES = (
    "fairseq-flexdepth sharing --layers 12 --unique 6 --strategy cycle_rev",
    "fairseq-flexdepth sharing --layers 6 --unique 1 --strategy cycle --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layers", type=int, required=True, metavar="N", help="layer positions in the stack")
    parser.add_argument("--unique", type=int, required=True, metavar="M", help="unique layers, a divisor of N")
    parser.add_argument("--strategy", choices=STRATEGIES, required=True, help="how positions share layers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def picture(assignment: Assignment) -> str:
    """One row of positions and one of the layers that they use."""
    width = len(str(len(assignment)))
    rows = {"position": range(1, len(assignment) + 1), "unique layer": assignment}
    return "\n".join(f"{label:<12}  " + " ".join(f"{cell:>{width}}" for cell in cells) for label, cells in rows.items())


def run(args: argparse.Namespace) -> int:
    if args.layers < 1:
        raise ValueError(f"--layers {args.layers}: expected 1 or more")
    assignment = assign_layers(args.strategy, args.layers, args.unique)
    print(json.dumps({"assignment": assignment}) if args.json else picture(assignment))
    return 0
