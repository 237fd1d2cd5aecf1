"""Which depth pairs translate each sentence best: what ``fairseq-flexdepth oracle`` writes for every split.

Selectors train on these labels, and ``--depth-selector oracle:FOLDER`` decodes by them (tied_multi, section 4).
"""

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, List, Optional, Sequence

import numpy

from fairseq_flexdepth.depth.space import DepthPair, from_fastest
from fairseq_flexdepth.depth.trade_off import fastest_of_best
from fairseq_flexdepth.files.checksums import dictionary_checksum, source_checksum
from fairseq_flexdepth.files.outputs import replaced


@dataclass(frozen=True)
class DepthLabels:
    """The quality of a split's sentences at every depth pair.

    Args:
        pairs: the depth pairs.
        scores: sentences × pairs, from 0 to 100, higher is better; a row of NaN is a sentence without labels.
        seconds: what a sentence took to decode at each pair.
        record: what made them, as JSON values: ``metric``, the checksums of the ``models``, the number of
            ``sentences`` and the checksums ``source`` and ``dictionary``.
    """

    pairs: List[DepthPair]
    scores: Any
    seconds: Any
    record: Dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def deepest(self) -> int:
        """The column of the slowest pair by Eq. 1, the one to fall back to."""
        return from_fastest(self.pairs)[-1]

    @cached_property
    def labelled(self) -> Any:
        """Booleans, one a sentence: whether it has labels."""
        return ~numpy.isnan(self.scores).any(axis=1)

    @cached_property
    def best(self) -> Any:
        """Booleans, sentences × pairs: the pairs of the highest score, ties kept."""
        return self.labelled[:, None] & (self.scores == self.scores.max(axis=1, keepdims=True))

    @cached_property
    def oracle(self) -> Any:
        """The column of each sentence's fastest best pair by Eq. 1; the deepest's where there are no labels."""
        fastest = fastest_of_best(self.best, numpy.asarray(from_fastest(self.pairs)))
        return numpy.where(self.labelled, fastest, self.deepest)

    @property
    def relative_seconds(self) -> Any:
        """The seconds of each pair in proportion to the deepest's."""
        return self.seconds / self.seconds[self.deepest]

    def save(self, path: str) -> None:
        """Write everything, what follows from the scores included, to one NumPy archive."""
        arrays = {
            "pairs": numpy.asarray(self.pairs, dtype=numpy.int64),
            "scores": self.scores,
            "best": self.best,
            "oracle": self.oracle,
            "seconds": self.seconds,
            "record": numpy.asarray(json.dumps(self.record)),
        }
        with replaced(path) as partial, open(partial, "wb") as file:
            numpy.savez_compressed(file, **arrays)


def labels_file(folder: str, split: str) -> str:
    """Where the labels of a split are."""
    return os.path.join(folder, f"{split}.labels.npz")


def load_labels(folder: str, split: str, option: str) -> DepthLabels:
    """The labels of *split* in *folder*, which *option* names.

    Raises:
        ValueError: there are none, or the file is damaged.
    """
    path = labels_file(folder, split)
    if not os.path.isfile(path):
        made = sorted(name[: -len(".labels.npz")] for name in _files(folder) if name.endswith(".labels.npz"))
        has = f"it has labels of {', '.join(made)}" if made else "it has no labels at all"
        raise ValueError(
            f"{option}: {path}: no such file, {has}; fairseq-flexdepth oracle --gen-subset {split} makes them"
        )
    try:
        with numpy.load(path, allow_pickle=False) as archive:
            pairs = [(int(n), int(m)) for n, m in archive["pairs"]]
            record = json.loads(str(archive["record"]))
            return DepthLabels(pairs, archive["scores"], archive["seconds"], record)
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        raise ValueError(
            f"{option}: {path}: not the labels of fairseq-flexdepth oracle, or damaged: {error}"
        ) from error


def _files(folder: str) -> Sequence[str]:
    return os.listdir(folder) if os.path.isdir(folder) else ()


def check_labels(labels: DepthLabels, path: str, source: Sequence[Any], dictionary: Optional[Any] = None) -> None:
    """Compare labels with the sentences they are to be used for.

    Args:
        labels: those of *path*.
        path: for the message.
        source: the source sentences, as fairseq's data sets hold them.
        dictionary: the source dictionary.

    Raises:
        ValueError: the number of sentences, their tokens, or the dictionary differ.
    """
    if len(labels) != len(source):
        raise ValueError(f"{path}: labels of {len(labels)} sentences; the data has {len(source)}")
    if dictionary is not None and labels.record["dictionary"] != dictionary_checksum(dictionary):
        raise ValueError(f"{path}: made with another source dictionary than that of the data")
    if labels.record["source"] != source_checksum(source):
        raise ValueError(f"{path}: made for other source sentences than those of the data")
