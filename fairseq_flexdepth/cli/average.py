"""``fairseq-flexdepth average``: the mean of several checkpoints of one training.

Of shared layers a checkpoint holds each unique one once, so that the mean by key is the mean of the models.
"""

import argparse
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional

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
            raise ValueError(f"--inputs {path}: no such file")
    return args.inputs


def _latest(inputs: List[str], option: str, number: int, pattern: str) -> List[str]:
    from fairseq.checkpoint_utils import checkpoint_paths

    if len(inputs) != 1 or not os.path.isdir(inputs[0]):
        raise ValueError(f"--inputs {' '.join(inputs)}: expected one directory with {option} {number}")
    found = checkpoint_paths(inputs[0], pattern)
    if not 1 <= number <= len(found):
        raise ValueError(f"{option} {number}: {inputs[0]} has {len(found)} such checkpoints")
    if option == "--num-best-checkpoints" and not _more_is_better(found):
        found.reverse()
    return found[:number]


def _more_is_better(paths: List[str]) -> bool:
    """Whether the best of the checkpoints are those with the highest scores, as their training was told."""
    metrics = {os.path.basename(path).rpartition("_")[0] for path in paths}
    if len(metrics) > 1:
        raise ValueError(f"--num-best-checkpoints: expected scores of one metric, found {', '.join(sorted(metrics))}")
    return bool(_load(paths[0])["cfg"]["checkpoint"]["maximize_best_checkpoint_metric"])


def _load(path: str) -> Dict[str, Any]:
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu")
    except Exception as error:  # whatever torch's reader stumbles over first
        raise ValueError(f"--inputs {path}: cannot be read as a checkpoint: {error!r}") from error
    if not isinstance(checkpoint, dict) or "model" not in checkpoint:
        raise ValueError(f"--inputs {path}: expected a fairseq checkpoint")
    return checkpoint


def _check_alike(first: Dict[str, "Tensor"], other: Dict[str, "Tensor"], path: str) -> None:
    for key in sorted(first.keys() | other.keys()):
        if key not in first or key not in other or first[key].shape != other[key].shape:
            raise ValueError(f"--inputs {path}: another model than the first of --inputs: differs in {key}")


def average_checkpoints(paths: List[str]) -> Dict[str, Any]:
    """The first checkpoint with the mean of all checkpoints' parameters, without optimizer and EMA.

    Sums are formed in double precision; the result has each parameter's own type.

    Raises:
        ValueError: a file is no checkpoint, or not of the same model.
    """
    from tqdm import tqdm

    result = _load(paths[0])
    model = result["model"]
    sums = {key: value.double() for key, value in model.items() if value.is_floating_point()}
    for path in tqdm(paths[1:], desc="averaging", leave=False):
        other = _load(path)["model"]
        _check_alike(model, other, path)
        for key, total in sums.items():
            total += other[key].double()
    for key, total in sums.items():
        model[key] = (total / len(paths)).to(model[key].dtype)
    _tie_equal(model)
    extra_state = {key: value for key, value in (result.get("extra_state") or {}).items() if not key.startswith("ema")}
    return {**result, "extra_state": extra_state, "last_optimizer_state": None}


def _tie_equal(model: Dict[str, "Tensor"]) -> None:
    """Let equal matrices, such as tied embeddings, be one tensor, which a file holds once."""
    seen: Dict[Any, List[Tensor]] = {}
    for key, value in model.items():
        if value.dim() > 1:
            alike = seen.setdefault((value.shape, value.dtype), [])
            model[key] = next((other for other in alike if other.equal(value)), value)
            if model[key] is value:
                alike.append(value)


def run(args: argparse.Namespace) -> int:
    from fairseq.checkpoint_utils import torch_persistent_save

    from fairseq_flexdepth.compat import allow_safe_checkpoints

    if os.path.isdir(args.output):
        raise ValueError(f"--output {args.output}: is a directory; expected a file")
    allow_safe_checkpoints()
    paths = _chosen(args)
    checkpoint = average_checkpoints(paths)
    os.makedirs(os.path.dirname(os.path.abspath(args.output)), exist_ok=True)
    torch_persistent_save(checkpoint, args.output)
    print(f"{args.output}: the mean of {' '.join(paths)}")
    return 0
