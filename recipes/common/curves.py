"""Training curves of several fairseq-train runs, from their ``--log-format json``: a table and a picture.

    python -m recipes.common.curves --output curves.png "Post-LN=base.log" "with Admin=admin.log"

It prints the negative log-likelihood (bits per token) of each validation as a Markdown table. The picture also shows
the values of training.
"""

import argparse
from pathlib import Path
from typing import Dict, List, Tuple

from fairseq_flexdepth.files.training_log import entries
from recipes.common.figure import pyplot, save_plot
from recipes.common.markdown import markdown_table

# update -> negative log-likelihood in bits per token
Curve = Dict[int, float]


def read_log(path: Path) -> Tuple[Curve, Curve]:
    """Return the training and the validation curve of a log.

    Raises:
        ValueError: the log contains no validation result.
    """
    curves: Dict[str, Curve] = {"train_inner": {}, "valid": {}}
    for kind, numbers in entries(path):
        if kind in curves:
            prefix = "valid_" if kind == "valid" else ""
            curves[kind][int(numbers[f"{prefix}num_updates"])] = numbers[f"{prefix}nll_loss"]
    training, validation = curves["train_inner"], curves["valid"]
    if not validation:
        raise ValueError(f"{path}: no validation result; was it written by fairseq-train --log-format json?")
    return training, validation


def table(curves: Dict[str, Tuple[Curve, Curve]]) -> str:
    """Return the validation curves as a Markdown table: one row per validation, one column per run."""
    updates = sorted({update for _, validation in curves.values() for update in validation})
    rows = [
        [update, *(f"{valid[update]:.2f}" if update in valid else "" for _, valid in curves.values())]
        for update in updates
    ]
    return markdown_table(["updates", *curves], rows, "r" * (1 + len(curves)))


def draw(curves: Dict[str, Tuple[Curve, Curve]], path: Path) -> None:
    """Draw training curves as lines and validation results as dots."""
    figure, axes = pyplot().subplots(figsize=(6, 4))
    for name, (training, validation) in curves.items():
        (line,) = axes.plot(list(training), list(training.values()), label=name)
        axes.plot(list(validation), list(validation.values()), "o", color=line.get_color())
    save_plot(figure, axes, path, "updates", "NLL, bits per token (dots: validation)")


def main() -> None:
    """Draw the curves and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=LOG")
    parser.add_argument("--output", type=Path, required=True, metavar="PNG")
    args = parser.parse_args()
    runs: List[Tuple[str, str, str]] = [run.partition("=") for run in args.runs]
    curves = {name: read_log(Path(log)) for name, _, log in runs}
    draw(curves, args.output)
    print(table(curves))


if __name__ == "__main__":
    main()
