"""Print the size of a trained model and the speed of its training as JSON.

    python -m recipes.common.training CHECKPOINT TRAIN_LOG

``nonzero`` is the number of parameters that pruning left. ``words_per_second`` (target tokens) and
``seconds_per_update`` are medians over the logged intervals. ``minutes`` is the sum over all runs of an interrupted
training, validation included. ``last_fifth_improvement_percent`` tells whether it converged
(recipes/common/convergence.py).
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Dict

import fairseq_flexdepth  # noqa: F401  (registers the models, and what torch's safe loader may read)
from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.cli.params import count_parameters
from fairseq_flexdepth.files.training_log import runs
from fairseq_flexdepth.pruning.magnitude_pruning import trained_tensors
from recipes.common import convergence


def speed(log: Path) -> Dict[str, float]:
    """Return the speed of a training, from its log.

    Raises:
        ValueError: the log contains no interval of training.
    """
    by_run = [[numbers for kind, numbers in run if kind == "train_inner"] for run in runs(log)]
    intervals = [numbers for run in by_run for numbers in run]
    if not intervals:
        raise ValueError(f"{log}: no interval of training; was it written by fairseq-train --log-format json?")
    steady = intervals[1:] or intervals
    seconds, updates = sum(run[-1]["wall"] for run in by_run if run), intervals[-1]["num_updates"]
    # fairseq's "ups" has only two decimals. The first interval of a run reports speed 0 if it has only one update.
    paces = [numbers["wpb"] / numbers["wps"] for numbers in steady if numbers["wps"] > 0]
    return {
        "words_per_second": statistics.median(numbers["wps"] for numbers in steady),
        "seconds_per_update": statistics.median(paces or [seconds / updates]),
        "minutes": round(seconds / 60, 2),
        "updates": updates,
    }


def parameters(checkpoint: str) -> Dict[str, int]:
    """Return the number of parameters of a checkpoint's model, and the number of nonzero parameters.

    Each shared parameter counts once.
    """
    from fairseq import checkpoint_utils

    with quiet():
        models, _ = checkpoint_utils.load_model_ensemble([checkpoint])
    nonzero = sum(int(tensor.count_nonzero()) for tensor in trained_tensors(models[0].state_dict()).values())
    return {"parameters": count_parameters(models[0]).total, "nonzero": nonzero}


def main() -> None:
    """Print size and speed of a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("log", type=Path)
    args = parser.parse_args()
    improvement = convergence.late_improvement(convergence.validation_curve(args.log))
    print(json.dumps({**parameters(args.checkpoint), **speed(args.log), convergence.KEY: improvement}))


if __name__ == "__main__":
    main()
