"""``fairseq-flexdepth depths``: the sub-networks of a strategy, and how evenly they use the layers ([wang2020] §3)."""

import argparse
import json
import sys
from typing import Dict, List, Optional, Tuple

from fairseq_flexdepth.depth.subnetwork_strategies import (
    STRATEGIES,
    WRAPPING,
    assign_subnetworks,
    average_layer_distance,
    task_balance,
)
from fairseq_flexdepth.depth.supported_depths import parse_depths

NAME = "depths"
HELP = "show which layers run at each depth, with the task balance (TB) and average layer distance (ALD)"

EXAMPLES = (
    "fairseq-flexdepth depths --layers 12 --strategy optimal",
    "fairseq-flexdepth depths --layers 6 --strategy seq --depths all --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "--layers", type=int, required=True, metavar="N", help="number of layers of the encoder or decoder"
    )
    parser.add_argument(
        "--strategy", choices=STRATEGIES, default="head",
        help="which layers run at each depth (default: head, the first ones)",
    )  # fmt: skip
    parser.add_argument(
        "--depths",
        default="divisors",
        metavar="LIST",
        help="divisors (of the number of layers), all, or a list such as 1,2,6 (default: divisors)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def describe(layers: int, strategy: str, depths: Tuple[int, ...]) -> Dict[str, object]:
    """The object that ``--json`` prints: sub-networks by depth, task balance and average layer distance."""
    subnetworks = assign_subnetworks(strategy, layers, depths)
    return {
        "layers": layers,
        "strategy": strategy,
        "subnetworks": {str(depth): list(subnetworks[depth]) for depth in sorted(subnetworks)},
        # A standard deviation with divisor layers - 1 is undefined for one layer.
        "task_balance": task_balance(subnetworks, layers, divisor="sample") if layers > 1 else None,
        "task_balance_eq5": task_balance(subnetworks, layers, divisor="population"),
        "average_layer_distance": average_layer_distance(subnetworks, layers if strategy in WRAPPING else None),
    }


def _marks(encoding: Optional[str]) -> Tuple[str, str, str]:
    """The marks for a layer that runs, a layer that does not, and an undefined number, in the terminal's encoding."""
    marks = ("■", "·", "–")
    try:
        "".join(marks).encode(encoding or "ascii")
    except UnicodeEncodeError:
        return ("#", ".", "-")
    return marks


def picture(layers: int, subnetworks: Dict[str, List[int]], runs: str = "■", rests: str = "·") -> str:
    """A text table with one row per depth and one column per layer."""
    width = len(str(layers))
    positions = range(1, layers + 1)
    rows = [("layer", [str(position) for position in positions])]
    for depth, used in subnetworks.items():
        rows.append((f"depth {depth}", [runs if position in used else rests for position in positions]))
    label_width = max(len(label) for label, _ in rows)
    return "\n".join(
        f"{label:<{label_width}}  " + " ".join(f"{cell:>{width}}" for cell in cells) for label, cells in rows
    )


def run(args: argparse.Namespace) -> int:
    """Print the sub-networks of the strategy.

    Raises:
        ValueError: a number of layers or depth is out of range.
    """
    if args.layers < 1:
        raise ValueError(f"--layers {args.layers}: expected 1 or more")
    result = describe(args.layers, args.strategy, parse_depths(args.depths, args.layers, "--depths"))
    if args.json:
        print(json.dumps(result))
        return 0
    runs, rests, undefined = _marks(sys.stdout.encoding)
    print(picture(args.layers, result["subnetworks"], runs, rests))  # type: ignore[arg-type]
    balance = undefined if result["task_balance"] is None else f"{result['task_balance']:.2f}"
    print(f"\nTB   {balance:<4}  task balance, lower is more even ({result['task_balance_eq5']:.2f} by Eq. 5)")
    print(f"ALD  {result['average_layer_distance']:.2f}  average layer distance, higher is more spread out")
    return 0
