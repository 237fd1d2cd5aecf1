"""What can stand behind ``--depth-selector``: a trained selector, an oracle's labels, a rule of lengths."""

import logging
import os
from typing import Any, List, Optional, Protocol, Sequence

import numpy
import torch
from fairseq.data import data_utils

from fairseq_flexdepth.decoding.selector_file import load_selector
from fairseq_flexdepth.depth.length_rule import parse_length_rule
from fairseq_flexdepth.depth.space import DepthPair
from fairseq_flexdepth.files.depth_labels import check_labels, labels_file, load_labels

logger = logging.getLogger(__name__)

Batches = Sequence[Sequence[int]]

ORACLE = "oracle:"
LENGTH = "length:"


class DepthChooser(Protocol):
    """Chooses a depth pair for every sentence."""

    pairs: List[DepthPair]  # what it chooses from
    covers_space: bool  # whether it was made for a model of exactly these pairs
    relative_seconds: Any  # of the pairs, in proportion to the deepest's; None if it does not know

    def choose(self, dataset: Any, split: Optional[str], batches: Batches, device: torch.device) -> Any:
        """The column in ``pairs`` of every sentence; any for those that are in no batch.

        Args:
            dataset: fairseq's.
            split: its name, if it is a split of the data.
            batches: numbers of sentences.
            device: where the models are.
        """


class SelectorChooser:
    """A trained ``depth_selector`` (tied_multi, section 4.2).

    Args:
        path: its checkpoint.
        threshold: what an output must reach, or the deepest pair is taken; ``None``: 0.5, or 0 for a cost-aware one.
        dictionary: the source dictionary.

    Raises:
        ValueError: no selector, or one for another dictionary.
    """

    covers_space = True

    def __init__(self, path: str, threshold: Optional[float], dictionary: Any) -> None:
        self.selector, default = load_selector(path, dictionary)
        self.threshold = default if threshold is None else threshold
        self.padding = dictionary.pad()
        self.pairs = self.selector.pairs
        self.relative_seconds = self.selector.relative_seconds.tolist()

    @torch.no_grad()
    def choose(self, dataset: Any, split: Optional[str], batches: Batches, device: torch.device) -> Any:
        columns: Any = numpy.full(len(dataset), self.selector.deepest)
        self.selector.to(device)
        longest, skipped = self.selector.max_positions(), 0
        sentences: List[int] = []
        chosen: List[torch.Tensor] = []  # of each batch, on the device
        for whole in batches:
            source = {index: dataset.src[index] for index in whole}
            batch = [index for index in whole if len(source[index]) <= longest]
            skipped += len(whole) - len(batch)
            if not batch:
                continue
            tokens = data_utils.collate_tokens([source[index] for index in batch], self.padding, left_pad=True)
            probabilities = self.selector.probabilities(self.selector(tokens.to(device, non_blocking=True)))
            chosen.append(self.selector.choose(probabilities, self.threshold))
            sentences.extend(batch)
        if chosen:
            columns[sentences] = torch.cat(chosen).cpu().numpy()
        if skipped:
            logger.warning("%d sentences are too long for the selector; they decode at the deepest pair", skipped)
        return columns


class OracleChooser:
    """The labels of ``fairseq-flexdepth oracle`` for the split that is decoded.

    Args:
        folder: where they are.
        dictionary: the source dictionary.
    """

    covers_space = True

    def __init__(self, folder: str, dictionary: Any) -> None:
        self.folder = folder
        self.dictionary = dictionary
        self.pairs: List[DepthPair] = []  # known once the split is
        self.relative_seconds: Any = None

    def choose(self, dataset: Any, split: Optional[str], batches: Batches, device: torch.device) -> Any:
        """The oracle's columns.

        Raises:
            ValueError: the split has no labels, or they do not match its sentences.
        """
        option = f"--depth-selector {ORACLE}{self.folder}"
        if split is None:
            raise ValueError(f"{option}: has labels for splits of the data alone; expected a trained selector")
        labels = load_labels(self.folder, split, option)
        check_labels(labels, labels_file(self.folder, split), dataset.src, self.dictionary)
        missing = int((~labels.labelled).sum())
        if missing:
            logger.warning("%s sentences have no labels; they decode at the deepest pair", f"{missing:,}")
        self.pairs = labels.pairs
        self.relative_seconds = labels.relative_seconds.tolist()
        return labels.oracle


class LengthChooser:
    """A rule of source lengths.

    Args:
        text: the rule, as :func:`parse_length_rule` reads it.

    Raises:
        ValueError: it is not one.
    """

    covers_space = False
    relative_seconds = None

    def __init__(self, text: str) -> None:
        self.rule = parse_length_rule(text, f"--depth-selector {LENGTH}{text}")
        self.pairs = sorted(set(self.rule.pairs))

    def choose(self, dataset: Any, split: Optional[str], batches: Batches, device: torch.device) -> Any:
        columns: Any = numpy.zeros(len(dataset), dtype=numpy.int64)
        for batch in batches:
            for index in batch:
                columns[index] = self.pairs.index(self.rule.choose(len(dataset.src[index]) - 1))
        return columns


def build_chooser(text: str, threshold: Optional[float], dictionary: Any) -> DepthChooser:
    """What ``--depth-selector`` *text* names.

    Raises:
        ValueError: there is no such selector, or ``--selector-threshold`` is not for it.
    """
    if text.startswith((ORACLE, LENGTH)) and threshold is not None:
        raise ValueError(f"--selector-threshold {threshold:g}: {text} has no outputs to compare; leave it out")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"--selector-threshold {threshold:g}: expected 0 to 1")
    if text.startswith(ORACLE):
        folder = text[len(ORACLE) :]
        if not os.path.isdir(folder):
            raise ValueError(f"--depth-selector {text}: no such directory; fairseq-flexdepth oracle makes one")
        return OracleChooser(folder, dictionary)
    if text.startswith(LENGTH):
        return LengthChooser(text[len(LENGTH) :])
    return SelectorChooser(text, threshold, dictionary)
