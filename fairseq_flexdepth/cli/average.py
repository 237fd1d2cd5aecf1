"""``fairseq-flexdepth average``: average the parameters of several checkpoints of one training.

A checkpoint stores each unique layer once, even if several positions share it. So the mean of each tensor is enough.
"""

import argparse
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.files.checkpoint_editing import (
    check_output,
    load_checkpoint,
    save_checkpoint,
    tie_equal,
    without_training_state,
)

if TYPE_CHECKING:
    from torch import Tensor

NAME = "average"
HELP = "average the parameters of several checkpoints"

# fairseq's names of the checkpoints of epochs, of updates and of the best scores; their order is that of the group.
PATTERNS = {
    "num_epoch_checkpoints": r"checkpoint(\d+)\.pt",
    "num_update_checkpoints": r"checkpoint_\d+_(\d+)\.pt",
    "num_best_checkpoints": r"checkpoint\.best_\w+?_(-?\d+(?:\.\d+)?)\.pt",
}

EXAMPLES = (
    "fairseq-flexdepth average --inputs checkpoints --num-epoch-checkpoints 5 --output average.pt",
    "fairseq-flexdepth average --inputs checkpoint1.pt checkpoint2.pt --output average.pt",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument(
        "--inputs", nargs="+", required=True, metavar="PATH",
        help="checkpoints, or one --save-dir with a --num-...-checkpoints option",
    )  # fmt: skip
    parser.add_argument("--output", required=True, metavar="FILE", help="the averaged checkpoint to write")
    number = parser.add_mutually_exclusive_group()
    number.add_argument(
        "--num-epoch-checkpoints", type=int, metavar="N", help="average the checkpoints of the last N epochs"
    )
    number.add_argument(
        "--num-update-checkpoints", type=int, metavar="N",
        help="average the last N checkpoints of --save-interval-updates",
    )  # fmt: skip
    number.add_argument(
        "--num-best-checkpoints", type=int, metavar="N", help="average the N best of --keep-best-checkpoints"
    )
    parser.epilog = "The result holds no optimizer state: continue from it with --finetune-from-model."


def _checkpoints(args: argparse.Namespace) -> List[str]:
    """The paths of the checkpoints to average."""
    for name, pattern in PATTERNS.items():
        number: Optional[int] = getattr(args, name)
        if number is not None:
            return _latest(args.inputs, f"--{name.replace('_', '-')}", number, pattern)
    for path in args.inputs:
        if not os.path.isfile(path):
            rule = "is a directory; expected checkpoints, or a --num-...-checkpoints option"
            what = rule if os.path.isdir(path) else "no such file"
            raise ValueError(f"--inputs {path}: {what}")
    return args.inputs


def _latest(inputs: List[str], option: str, number: int, pattern: str) -> List[str]:
    """The paths of the last, or best, *number* checkpoints in a directory."""
    from fairseq.checkpoint_utils import checkpoint_paths

    if len(inputs) != 1 or not os.path.isdir(inputs[0]):
        raise ValueError(f"--inputs {' '.join(inputs)}: expected one directory with {option} {number}")
    found = checkpoint_paths(inputs[0], pattern)
    if not 1 <= number <= len(found):
        there = f"{inputs[0]} has {len(found)} such checkpoints"
        raise ValueError(f"{option} {number}: {there}; expected at least 1 and at most all of them")
    if option == "--num-best-checkpoints" and not _more_is_better(found):
        found.reverse()
    return found[:number]


def _more_is_better(paths: List[str]) -> bool:
    """Whether the training kept the checkpoints with the highest scores as its best."""
    metrics = {os.path.basename(path).rpartition("_")[0] for path in paths}
    if len(metrics) > 1:
        found = ", ".join(sorted(metrics))
        raise ValueError(f"--num-best-checkpoints: expected checkpoints of one metric, found {found}")
    best = load_checkpoint(paths[0], "--inputs")
    return bool(best["cfg"]["checkpoint"]["maximize_best_checkpoint_metric"])


def _check_alike(first: Dict[str, "Tensor"], other: Dict[str, "Tensor"], path: str) -> None:
    """Refuse a checkpoint whose parameters differ in name or shape from the first one's."""
    for key in sorted(first.keys() | other.keys()):
        if key not in first or key not in other or first[key].shape != other[key].shape:
            raise ValueError(f"--inputs {path}: differs from the model of the first checkpoint in {key}")


def average_checkpoints(paths: List[str]) -> Dict[str, Any]:
    """The first checkpoint, with the mean of all checkpoints' parameters and without optimizer state.

    Sums are computed in double precision; each parameter keeps its type.

    Raises:
        ValueError: a file is not a checkpoint, or holds another model.
    """
    from tqdm import tqdm

    result = load_checkpoint(paths[0], "--inputs")
    model = result["model"]
    sums = {key: value.double() for key, value in model.items() if value.is_floating_point()}
    for path in tqdm(paths[1:], desc="averaging", leave=False):
        other = load_checkpoint(path, "--inputs")["model"]
        _check_alike(model, other, path)
        for key, total in sums.items():
            total += other[key].double()
    for key, total in sums.items():
        model[key] = (total / len(paths)).to(model[key].dtype)
    tie_equal(model)
    return without_training_state(result)


def run(args: argparse.Namespace) -> int:
    """Write the averaged checkpoint.

    Raises:
        ValueError: the inputs are not checkpoints of one model, or the option that selects them does not fit.
    """
    check_output(args.output)
    with quiet():
        paths = _checkpoints(args)
        save_checkpoint(average_checkpoints(paths), args.output)
    print(f"{args.output}: the mean of {' '.join(paths)}")
    return 0
