"""``fairseq-flexdepth average``: the mean of several checkpoints of one training.

Of shared layers a checkpoint holds each unique one once, so that the mean by key is the mean of the models.
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

# What fairseq calls the checkpoints of epochs, of updates and of the best scores; the group is the order.
PATTERNS = {
    "num_epoch_checkpoints": r"checkpoint(\d+)\.pt",
    "num_update_checkpoints": r"checkpoint_\d+_(\d+)\.pt",
    "num_best_checkpoints": r"checkpoint\.best_\w+?_(-?\d+(?:\.\d+)?)\.pt",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inputs", nargs="+", required=True, metavar="PATH", help="checkpoints, or one --save-dir and how many of it"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="where to write the averaged checkpoint")
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--num-epoch-checkpoints", type=int, metavar="N", help="of the last N epochs")
    number.add_argument("--num-update-checkpoints", type=int, metavar="N", help="of the last N saved updates")
    number.add_argument(
        "--num-best-checkpoints", type=int, metavar="N", help="the N best of --keep-best-checkpoints"
    )
    parser.epilog = "The result holds no optimizer state: continue from it with --finetune-from-model."


def _chosen(args: argparse.Namespace) -> List[str]:
    for name, pattern in PATTERNS.items():
        number: Optional[int] = getattr(args, name)
        if number is not None:
            return _latest(args.inputs, f"--{name.replace('_', '-')}", number, pattern)
    for path in args.inputs:
        if not os.path.isfile(path):
            what = "is a directory; expected checkpoints, or how many of it" if os.path.isdir(path) else "no such file"
            raise ValueError(f"--inputs {path}: {what}")
    return args.inputs


def _latest(inputs: List[str], option: str, number: int, pattern: str) -> List[str]:
    from fairseq.checkpoint_utils import checkpoint_paths

    if len(inputs) != 1 or not os.path.isdir(inputs[0]):
        raise ValueError(f"--inputs {' '.join(inputs)}: expected one directory with {option} {number}")
    found = checkpoint_paths(inputs[0], pattern)
    if not 1 <= number <= len(found):
        raise ValueError(f"{option} {number}: {inputs[0]} has {len(found)} such checkpoints; expected 1 or more")
    if option == "--num-best-checkpoints" and not _more_is_better(found):
        found.reverse()
    return found[:number]


def _more_is_better(paths: List[str]) -> bool:
    """Whether the best of the checkpoints are those with the highest scores, as their training was told."""
    metrics = {os.path.basename(path).rpartition("_")[0] for path in paths}
    if len(metrics) > 1:
        raise ValueError(f"--num-best-checkpoints: expected scores of one metric, found {', '.join(sorted(metrics))}")
    best = load_checkpoint(paths[0], "--inputs")
    return bool(best["cfg"]["checkpoint"]["maximize_best_checkpoint_metric"])


def _check_alike(first: Dict[str, "Tensor"], other: Dict[str, "Tensor"], path: str) -> None:
    for key in sorted(first.keys() | other.keys()):
        if key not in first or key not in other or first[key].shape != other[key].shape:
            raise ValueError(f"--inputs {path}: another model than the first of --inputs: differs in {key}")


def average_checkpoints(paths: List[str]) -> Dict[str, Any]:
    """The first checkpoint with the mean of all checkpoints' parameters, without the state of its training.

    Sums are formed in double precision; the result has each parameter's own type.

    Raises:
        ValueError: a file is no checkpoint, or not of the same model.
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
    check_output(args.output)
    with quiet():
        paths = _chosen(args)
        save_checkpoint(average_checkpoints(paths), args.output)
    print(f"{args.output}: the mean of {' '.join(paths)}")
    return 0
