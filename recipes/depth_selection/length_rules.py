"""The best rule of source lengths for each price of time, fitted to an oracle's labels, as --depth-selector takes it.

    python -m recipes.depth_selection.length_rules LABELS COST...

A line each: the cost, what the deepest pair's time is worth in points of chrF, and the rule. Every length has the pair
of the greatest mean score − cost · relative time over the training sentences of up to 2 tokens more or fewer.
"""

import argparse
from pathlib import Path
from typing import Any, List

import numpy
from fairseq.data import data_utils

from fairseq_flexdepth.files.depth_labels import DepthLabels, load_labels

WINDOW = 2
FEWEST = 50  # sentences, to trust their mean


def fit(labels: DepthLabels, lengths: Any, cost: float) -> str:
    """The rule for sentences of these *lengths*, in tokens without the end of sentence."""
    worth = labels.scores - cost * labels.relative_seconds
    best: List[int] = []
    for length in range(1, int(lengths.max()) + 1):
        near = labels.labelled & (abs(lengths - length) <= WINDOW)
        if near.sum() >= FEWEST:
            column = int(worth[near].mean(axis=0).argmax())
            best = best or [column] * (length - 1)  # the shortest, too few to tell
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
