"""``fairseq-flexdepth prune``: set the smallest weights of a trained model to zero ([kim2016] §5.2, [see2016]).

Retrain the result with ``--finetune-from-model`` and ``--keep-pruned``, which keeps the zeros.
"""

import argparse
import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple

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

NAME = "prune"
HELP = "set the smallest weights of a checkpoint to zero"

# The name of a layer, also of torch's LSTM; of any other parameter, the first two parts of its name.
MODULE = re.compile(r"(?P<layer>.*?\.layers\.\d+)\.|(?P<lstm>.*\.lstm)\.\w+?_l(?P<number>\d+)|(?P<other>[^.]+\.[^.]+)")


class ModuleCounts(NamedTuple):
    """The number of parameters of one module, and of those that are not zero."""

    module: str
    total: int
    nonzero: int

    @property
    def sparsity(self) -> float:
        """The share of parameters that are zero: 0 to 1."""
        return 1 - self.nonzero / self.total

    def as_dict(self) -> Dict[str, Any]:
        """One entry of ``modules`` in the object that ``--json`` prints."""
        return {**self._asdict(), "sparsity": self.sparsity}


def module_of(name: str) -> str:
    """The embedding, layer or other module that a parameter belongs to, from the parameter's *name*."""
    match = MODULE.match(name)
    if match is None:
        return name
    return match["layer"] or match["other"] or f"{match['lstm']}.{match['number']}"


def count_modules(state: Dict[str, "Tensor"]) -> List[ModuleCounts]:
    """The counts of each module, in the order of the checkpoint; a tied parameter counts once, under its first name."""
    from fairseq_flexdepth.pruning.magnitude_pruning import trained_tensors

    totals: Dict[str, int] = {}
    nonzero: Dict[str, int] = {}
    for name, tensor in trained_tensors(state).items():
        module = module_of(name)
        totals[module] = totals.get(module, 0) + tensor.numel()
        nonzero[module] = nonzero.get(module, 0) + int(tensor.count_nonzero())
    return [ModuleCounts(module, totals[module], nonzero[module]) for module in totals]

EXAMPLES = (
    "fairseq-flexdepth prune --path checkpoint_best.pt --fraction 0.8 --output pruned.pt",
    "fairseq-flexdepth prune --path checkpoint_best.pt --fraction 0.5 --output pruned.pt --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.add_argument("--path", required=True, metavar="FILE", help="the checkpoint to prune")
    parser.add_argument(
        "--fraction", type=float, required=True, metavar="F",
        help="share of the weights in matrices and embeddings to set to zero",
    )  # fmt: skip
    parser.add_argument("--output", required=True, metavar="FILE", help="the pruned checkpoint to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = (
        "The smallest weights of all matrices together; biases, norms and the padding symbol's embedding stay. The "
        "result holds no optimizer state: retrain it with --finetune-from-model FILE --keep-pruned."
    )


def prune_checkpoint(checkpoint: Dict[str, Any], fraction: float) -> Dict[str, Any]:
    """The checkpoint with this *fraction* of its weights set to zero, without optimizer state.

    The pruned weights are also its EMA entry, at no cost in file size: retraining with ``--store-ema`` fails in fairseq
    (``KeyError: 'model'``) if a checkpoint has no EMA.
    """
    from fairseq_flexdepth.pruning.magnitude_pruning import prunable_weights, pruned_number, zero_smallest

    tie_equal(checkpoint["model"])
    weights = prunable_weights(checkpoint["model"])
    zero_smallest(weights, pruned_number(weights, fraction))
    pruned = without_training_state(checkpoint)
    pruned["extra_state"]["ema"] = pruned["model"]
    return pruned


def table(modules: List[ModuleCounts], whole: ModuleCounts) -> str:
    """A Markdown table with one row per module and the whole model in its last row."""
    rows = ["| module | parameters | non-zero | sparsity |", "| --- | --: | --: | --: |"]
    rows += [f"| {row.module} | {row.total:,} | {row.nonzero:,} | {row.sparsity:.1%} |" for row in (*modules, whole)]
    return "\n".join(rows)


def run(args: argparse.Namespace) -> int:
    """Write the pruned checkpoint, and print the sparsity of each module.

    Raises:
        ValueError: ``--fraction`` is out of range, or ``--path`` is not a checkpoint.
    """
    if not 0 < args.fraction < 1:
        raise ValueError(f"--fraction {args.fraction}: expected a number between 0 and 1, both excluded")
    check_output(args.output)
    with quiet():
        checkpoint = prune_checkpoint(load_checkpoint(args.path, "--path"), args.fraction)
        modules = count_modules(checkpoint["model"])
        save_checkpoint(checkpoint, args.output)
    whole = ModuleCounts("all", sum(row.total for row in modules), sum(row.nonzero for row in modules))
    if args.json:
        counts = {"total": whole.total, "nonzero": whole.nonzero, "sparsity": whole.sparsity}
        print(json.dumps({**counts, "modules": [row.as_dict() for row in modules]}))
    else:
        print(table(modules, whole))
        change = f"{whole.total:,} parameters before, {whole.nonzero:,} after ({whole.sparsity:.1%} zero)"
        print(f"\n{args.output}: {change}")
    return 0
