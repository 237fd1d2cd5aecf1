"""Fit rules of source lengths to an oracle's labels, for several costs of time, as --depth-selector takes them.

    python -m recipes.depth_selection.length_rules LABELS COST...

It prints one line per COST: the cost and the rule. The cost is the price of the deepest pair's decoding time in points
of chrF. Each length gets the depth pair with the greatest mean of score − cost · relative time, over the training
sentences whose length differs by at most 2 tokens.
"""

import argparse
from pathlib import Path
from typing import Any, List

import numpy
from fairseq.data import data_utils

from fairseq_flexdepth.files.depth_labels import DepthLabels, load_labels

WINDOW = 2
FEWEST = 50  # fewer sentences have no reliable mean


def fit(labels: DepthLabels, lengths: Any, cost: float) -> str:
    """Return the rule for a cost of time.

    Args:
        labels: the oracle's labels.
        lengths: the source length of every labelled sentence, in tokens without the end symbol (a NumPy array).
        cost: the price of the deepest pair's decoding time, in points of chrF.
    """
    worth = labels.scores - cost * labels.relative_seconds
    best: List[int] = []
    for length in range(1, int(lengths.max()) + 1):
        near = labels.labelled & (abs(lengths - length) <= WINDOW)
        if near.sum() >= FEWEST:
            column = int(worth[near].mean(axis=0).argmax())
            best = best or [column] * (length - 1)  # shorter sentences are too rare: same pair
            best.append(column)
        elif best:
            best.append(best[-1])
    best = best or [labels.deepest]
    steps = []
    for length, (column, following) in enumerate(zip(best, [*best[1:], -1]), start=1):
        if column != following:
            n, m = labels.pairs[column]
            steps.append(f"{length}={n}-{m}")
    steps[-1] = steps[-1].partition("=")[2]
    return "length:" + ",".join(steps)


def main() -> None:
    """Print the rules."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", metavar="LABELS")
    parser.add_argument("costs", nargs="+", metavar="COST")
    args = parser.parse_args()
    labels = load_labels(args.labels, "train", "LABELS")
    (dictionary,) = Path(args.labels).glob("dict.*.txt")
    sources = data_utils.load_indexed_dataset(f"{args.labels}/train.{dictionary.name.split('.')[1]}", None)
    lengths = numpy.asarray(sources.sizes) - 1
    for cost in args.costs:
        print(cost, fit(labels, lengths, float(cost)))


if __name__ == "__main__":
    main()
