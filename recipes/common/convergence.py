"""Whether a training had converged when it ended.

A training has not converged if its validation loss still improved by more than 2 % in the last fifth of its updates.
The loss at the beginning of that fifth is interpolated between the two validations around it.
"""

import json
from pathlib import Path
from typing import Dict, List, Optional

from recipes.common.cells import Measurements

MOST_IMPROVEMENT = 2.0  # per cent
LAST_PART = 0.2
MARK = "‡"
QUALITY = ("bleu", "chrf", "comet", "perplexity", "probability", "wer")  # keys of what training improves
KEY = "last_fifth_improvement_percent"  # in train.json

# update -> validation loss
Curve = Dict[int, float]


def validation_curve(log: Path) -> Curve:
    """Return the validation losses of a training; without label smoothing where fairseq logs that, too."""
    from fairseq_flexdepth.files.training_log import entries  # slow to import, and tables do not read logs

    curve: Curve = {}
    for kind, numbers in entries(log):
        if kind == "valid":
            loss = numbers.get("valid_nll_loss", numbers.get("valid_loss"))
            if loss is not None and loss == loss:
                curve[int(numbers["valid_num_updates"])] = loss
    return curve


def late_improvement(curve: Curve) -> Optional[float]:
    """Return by how many per cent the loss fell in the last fifth of the updates.

    It is ``None`` where this is unknown: no validation in the first four fifths, or a loss that is not positive.
    """
    if not curve:
        return None
    last = max(curve)
    beginning = last * (1 - LAST_PART)
    earlier = [update for update in curve if update <= beginning]
    if not earlier:
        return None
    before, after = max(earlier), min(update for update in curve if update >= beginning)
    share = (beginning - before) / (after - before) if after > before else 0.0
    loss = curve[before] + share * (curve[after] - curve[before])
    return 100 * (loss - curve[last]) / loss if loss > 0 else None


def not_converged(measurements: Measurements, cell: str, row: Dict[str, str]) -> List[str]:
    """Return the trainings, such as ``tied/seed1``, that had not converged and that a cell's quality depends on.

    Parameters and speed do not depend on convergence.
    """
    found = [
        training
        for key, systems in measurements.systems(cell, row).items()
        if key.rpartition(".")[2] in QUALITY
        for system in systems
        for training in unfinished_trainings(measurements.work, system)
    ]
    return sorted(set(found))


def unfinished_trainings(work: Path, system: str) -> List[str]:
    """Return the trainings among ``work/system/seed*`` that had not converged, or have too few validations to tell.

    A train.json without the key is of an earlier version, and tells nothing.
    """
    found = []
    for file in sorted((work / system).glob("seed*/train.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        if KEY in content and (content[KEY] is None or content[KEY] > MOST_IMPROVEMENT):
            found.append(str(file.parent.relative_to(work)))
    return found


def note(trainings: List[str]) -> str:
    """Explain the mark, and name the trainings."""
    listed = ", ".join(f"`{one}`" for one in trainings)
    return (
        f"{MARK} Not converged: the validation loss still improved by more than {MOST_IMPROVEMENT:g} % in the last "
        f"fifth of the training of {listed}, or validations are missing to tell."
    )
