"""``fairseq-flexdepth prune``: the smallest weights of a trained model become zero.

Retrain the result with ``--finetune-from-model`` and ``--keep-pruned``, which holds the zeros.
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

# A layer of a stack, also of torch's LSTM; of anything else the first two parts of the name.
MODULE = re.compile(r"(?P<layer>.*?\.layers\.\d+)\.|(?P<lstm>.*\.lstm)\.\w+?_l(?P<number>\d+)|(?P<other>[^.]+\.[^.]+)")


class ModuleCounts(NamedTuple):
    """The parameters of one module, and how many of them are not zero."""

    module: str
    total: int
    nonzero: int

    @property
    def sparsity(self) -> float:
        return 1 - self.nonzero / self.total

    def as_dict(self) -> Dict[str, Any]:
        return {**self._asdict(), "sparsity": self.sparsity}


def module_of(name: str) -> str:
    """The embedding, layer or other part of the model that a parameter belongs to."""
    match = MODULE.match(name)
    if match is None:
        return name
    return match["layer"] or match["other"] or f"{match['lstm']}.{match['number']}"


def count_modules(state: Dict[str, "Tensor"]) -> List[ModuleCounts]:
    """The parameters of each module, in the order of the checkpoint; a tied one counts where it comes first."""
    from fairseq_flexdepth.pruning.magnitude_pruning import trained_tensors

    totals: Dict[str, int] = {}
    nonzero: Dict[str, int] = {}
    for name, tensor in trained_tensors(state).items():
        module = module_of(name)
        totals[module] = totals.get(module, 0) + tensor.numel()
        nonzero[module] = nonzero.get(module, 0) + int(tensor.count_nonzero())
    return [ModuleCounts(module, totals[module], nonzero[module]) for module in totals]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", required=True, metavar="FILE", help="the checkpoint to prune")
    parser.add_argument(
        "--fraction", type=float, required=True, metavar="F", help="of the weights in matrices and embeddings to zero"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="where to write the pruned checkpoint")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = (
        "The smallest weights of all matrices together; biases, norms and the padding symbol's embedding stay. The "
        "result holds no optimizer state: retrain it with --finetune-from-model FILE --keep-pruned."
    )


def prune_checkpoint(checkpoint: Dict[str, Any], fraction: float) -> Dict[str, Any]:
    """The checkpoint with this fraction of its weights zero, without the state of its training.

    Its entry for an EMA is the pruned weights themselves, which the file holds once: retraining with ``--store-ema``
    starts from them, where fairseq finds no EMA in a checkpoint it fails (``KeyError: 'model'``).
    """
    from fairseq_flexdepth.pruning.magnitude_pruning import prunable_weights, pruned_number, zero_smallest

    tie_equal(checkpoint["model"])
    weights = prunable_weights(checkpoint["model"])
    zero_smallest(weights, pruned_number(weights, fraction))
    pruned = without_training_state(checkpoint)
    pruned["extra_state"]["ema"] = pruned["model"]
    return pruned


def table(modules: List[ModuleCounts], whole: ModuleCounts) -> str:
    """A Markdown table, the whole model in its last row."""
    rows = ["| module | parameters | non-zero | sparsity |", "| --- | --: | --: | --: |"]
    rows += [f"| {row.module} | {row.total:,} | {row.nonzero:,} | {row.sparsity:.1%} |" for row in (*modules, whole)]
    return "\n".join(rows)


def run(args: argparse.Namespace) -> int:
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
