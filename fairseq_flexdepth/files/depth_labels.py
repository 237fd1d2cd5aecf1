"""The labels that ``fairseq-flexdepth oracle`` writes: for each sentence of a split, the best depth pairs.

Selectors train on these labels, and ``--depth-selector oracle:FOLDER`` decodes by them [dabre2020] §4.
"""

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, List, Optional, Sequence

import numpy
from torch import Tensor

from fairseq_flexdepth.depth.supported_depths import DepthPair, from_fastest
from fairseq_flexdepth.depth.trade_off import fastest_of_best
from fairseq_flexdepth.files.checksums import dictionary_checksum, source_checksum
from fairseq_flexdepth.files.outputs import replaced
from fairseq_flexdepth.protocols import Symbols


@dataclass(frozen=True)
class DepthLabels:
    """The quality of a split's sentences at every depth pair.

    Args:
        pairs: the depth pairs.
        scores: sentences × pairs, from 0 to 100, higher is better; a sentence without labels has NaN at all pairs.
        seconds: pairs; the decoding time per sentence at each depth pair.
        record: how the labels were made, as JSON values: ``metric``, the checksums of the ``models``, the number of
            ``sentences``, and the checksums ``source`` and ``dictionary``; ``engine`` and ``quantization`` if
            CTranslate2 decoded.
    """

    pairs: List[DepthPair]
    scores: numpy.ndarray
    seconds: numpy.ndarray
    record: Dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of sentences."""
        return len(self.scores)

    @property
    def deepest(self) -> int:
        """The index of the deepest depth pair [dabre2020] Eq. 1, which sentences without labels decode at."""
        return from_fastest(self.pairs)[-1]

    @cached_property
    def labelled(self) -> numpy.ndarray:
        """sentences, booleans: whether a sentence has labels."""
        return ~numpy.isnan(self.scores).any(axis=1)

    @cached_property
    def best(self) -> numpy.ndarray:
        """sentences × pairs, booleans: whether a pair has the sentence's highest score; several may (ties)."""
        return self.labelled[:, None] & (self.scores == self.scores.max(axis=1, keepdims=True))

    @cached_property
    def oracle(self) -> numpy.ndarray:
        """sentences, integers: the index of the fastest among the best depth pairs [dabre2020] Eq. 1.

        A sentence without labels has the index of the deepest pair.
        """
        fastest = fastest_of_best(self.best, numpy.asarray(from_fastest(self.pairs)))
        return numpy.where(self.labelled, fastest, self.deepest)

    @property
    def relative_seconds(self) -> numpy.ndarray:
        """pairs; the seconds at each depth pair, divided by the seconds at the deepest pair."""
        return self.seconds / self.seconds[self.deepest]

    def save(self, path: str) -> None:
        """Write the labels to the NumPy archive *path*, with ``best`` and ``oracle`` for other programs."""
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
    """The path of the labels of a split."""
    return os.path.join(folder, f"{split}.labels.npz")


def load_labels(folder: str, split: str, option: str) -> DepthLabels:
    """Load the labels of a split.

    Args:
        folder: the directory of the labels.
        split: the name of the split.
        option: the option that names the directory, for error messages.

    Raises:
        ValueError: the directory has no labels of the split, or the file is damaged.
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


def check_labels(
    labels: DepthLabels, path: str, source: Sequence[Tensor], dictionary: Optional[Symbols] = None
) -> None:
    """Check that labels were made for these sentences.

    Args:
        labels: the labels.
        path: their file, for the error message.
        source: the tokens of each source sentence.
        dictionary: the source dictionary, if it is to be compared, too.

    Raises:
        ValueError: the number of sentences, their tokens, or the dictionary differ.
    """
    if len(labels) != len(source):
        raise ValueError(f"{path}: labels of {len(labels)} sentences; the data has {len(source)}")
    if dictionary is not None and labels.record["dictionary"] != dictionary_checksum(dictionary):
        raise ValueError(f"{path}: made with a source dictionary that differs from DATA's")
    if labels.record["source"] != source_checksum(source):
        raise ValueError(f"{path}: made for source sentences that differ from DATA's")
