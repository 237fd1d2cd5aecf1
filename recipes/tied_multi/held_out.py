"""Hold out a random part of the labelled training sentences, on which classifiers are evaluated while they train.

    python -m recipes.tied_multi.held_out LABELS --sentences N

LABELS is a folder of ``fairseq-flexdepth oracle`` with the labels of ``train``. Two splits are written to it:
``held-out`` has the labels of N sentences, the same in every run, and ``train-part`` has the labels of all others.
Both link to the sentences of ``train``.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy

from fairseq_flexdepth.files.depth_labels import labels_file, load_labels


def hold_out(folder: Path, sentences: int) -> None:
    """Write the splits ``held-out`` and ``train-part``.

    Args:
        folder: the folder of the labels.
        sentences: the number of sentences to hold out.

    Raises:
        ValueError: there are no labels of ``train``, or no more labelled sentences than *sentences*.
    """
    labels = load_labels(str(folder), "train", "LABELS")
    labelled = numpy.flatnonzero(labels.labelled)
    if not 1 <= sentences < len(labelled):
        raise ValueError(f"--sentences {sentences}: expected 1 to {len(labelled) - 1}, of the labelled ones")
    chosen: numpy.ndarray = numpy.zeros(len(labels), dtype=bool)
    chosen[numpy.random.RandomState(1).choice(labelled, sentences, replace=False)] = True
    for split, kept in (("held-out", chosen), ("train-part", ~chosen)):
        for file in folder.glob("train.*"):
            if file.suffix in (".bin", ".idx"):
                link = folder / f"{split}{file.name[len('train'):]}"
                if not link.is_symlink():
                    os.symlink(file.name, str(link))
        scores = numpy.where(kept[:, None], labels.scores, numpy.nan)
        replace(labels, scores=scores).save(labels_file(str(folder), split))


def main() -> None:
    """Write the splits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="LABELS")
    parser.add_argument("--sentences", type=int, required=True, metavar="N")
    args = parser.parse_args()
    hold_out(args.folder, args.sentences)


if __name__ == "__main__":
    main()
