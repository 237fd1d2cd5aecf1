"""The selectors that ``--depth-selector`` can name: a trained model, an oracle's labels, a rule of source lengths."""

import logging
import os
from typing import List, Optional, Protocol, Sequence

import numpy
import torch
from fairseq.data import data_utils

from fairseq_flexdepth.decoding.batches_by_depth import Batches
from fairseq_flexdepth.decoding.selector_checkpoint import load_selector
from fairseq_flexdepth.depth.length_rule import parse_length_rule
from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.files.depth_labels import check_labels, labels_file, load_labels
from fairseq_flexdepth.protocols import SentencePairs, Symbols

logger = logging.getLogger(__name__)

ORACLE = "oracle:"
LENGTH = "length:"


class Selector(Protocol):
    """Chooses a depth pair for every sentence."""

    pairs: List[DepthPair]  # the depth pairs it chooses from
    covers_space: bool  # whether the model must support exactly these pairs, and no others
    relative_seconds: Optional[Sequence[float]]  # of each pair, the deepest pair's being 1; None if not measured

    def choose(
        self, dataset: SentencePairs, split: Optional[str], batches: Batches, device: torch.device
    ) -> numpy.ndarray:
        """Choose a depth pair for every sentence in *batches*.

        Args:
            dataset: fairseq's data set.
            split: the name of the split; ``None`` for typed input.
            batches: the sentence numbers of each batch.
            device: the device of the translation models.

        Returns:
            One integer per sentence of the data set: an index into ``pairs``; any value for a sentence in no batch.
        """


class TrainedSelector:
    """A trained ``depth_selector`` [dabre2020] §4.2.

    Args:
        path: its checkpoint.
        threshold: the least output for which a pair is chosen; the deepest pair is taken where no output reaches it.
            ``None``: 0.5, or 0 for a cost-aware selector.
        dictionary: the source dictionary.

    Raises:
        ValueError: the file is not the checkpoint of a selector, or the selector has another dictionary.
    """

    covers_space = True

    def __init__(self, path: str, threshold: Optional[float], dictionary: Symbols) -> None:
        self.model, default = load_selector(path, dictionary)
        self.threshold = default if threshold is None else threshold
        self.padding = dictionary.pad()
        self.pairs = self.model.pairs
        self.relative_seconds: Optional[Sequence[float]] = self.model.relative_seconds.tolist()

    @torch.no_grad()
    def choose(
        self, dataset: SentencePairs, split: Optional[str], batches: Batches, device: torch.device
    ) -> numpy.ndarray:
        """Run the model on every batch; a sentence that is too long for it gets the deepest pair."""
        pair_of: numpy.ndarray = numpy.full(len(dataset), self.model.deepest)
        self.model.to(device)
        longest, skipped = self.model.max_positions(), 0
        sentences: List[int] = []
        chosen: List[torch.Tensor] = []  # per batch, on the device
        for whole in batches:
            source = {index: dataset.src[index] for index in whole}
            batch = [index for index in whole if len(source[index]) <= longest]
            skipped += len(whole) - len(batch)
            if not batch:
                continue
            tokens = data_utils.collate_tokens([source[index] for index in batch], self.padding, left_pad=True)
            probabilities = self.model.probabilities(self.model(tokens.to(device, non_blocking=True)))
            chosen.append(self.model.choose(probabilities, self.threshold))
            sentences.extend(batch)
        if chosen:
            pair_of[sentences] = torch.cat(chosen).cpu().numpy()  # in the order of `sentences`
        if skipped:
            logger.warning("%d sentences are too long for the selector; they decode at the deepest pair", skipped)
        return pair_of


class OracleSelector:
    """The labels that ``fairseq-flexdepth oracle`` wrote for the split [dabre2020] §4.1.

    Args:
        folder: the directory of the labels.
        dictionary: the source dictionary.
    """

    covers_space = True

    def __init__(self, folder: str, dictionary: Symbols) -> None:
        self.folder = folder
        self.dictionary = dictionary
        self.pairs: List[DepthPair] = []  # read from the labels of the split, by choose
        self.relative_seconds: Optional[Sequence[float]] = None

    def choose(
        self, dataset: SentencePairs, split: Optional[str], batches: Batches, device: torch.device
    ) -> numpy.ndarray:
        """Read the oracle's choices; a sentence without labels gets the deepest pair.

        Raises:
            ValueError: the split has no labels, or they are for other sentences.
        """
        option = f"--depth-selector {ORACLE}{self.folder}"
        if split is None:
            there = "has labels only for splits of the data, not for typed input"
            raise ValueError(f"{option}: {there}; expected a trained selector")
        labels = load_labels(self.folder, split, option)
        check_labels(labels, labels_file(self.folder, split), dataset.src, self.dictionary)
        missing = int((~labels.labelled).sum())
        if missing:
            logger.warning("%s sentences have no labels; they decode at the deepest pair", f"{missing:,}")
        self.pairs = labels.pairs
        self.relative_seconds = labels.relative_seconds.tolist()
        return labels.oracle


class LengthSelector:
    """A rule that chooses the depth pair by the source length.

    Args:
        text: the rule, in the form that :func:`parse_length_rule` reads.

    Raises:
        ValueError: the text is not such a rule.
    """

    covers_space = False
    relative_seconds: Optional[Sequence[float]] = None

    def __init__(self, text: str) -> None:
        self.rule = parse_length_rule(text, f"--depth-selector {LENGTH}{text}")
        self.pairs = sorted(set(self.rule.pairs))

    def choose(
        self, dataset: SentencePairs, split: Optional[str], batches: Batches, device: torch.device
    ) -> numpy.ndarray:
        """Apply the rule to the number of source tokens, the end symbol not counted."""
        pair_of: numpy.ndarray = numpy.zeros(len(dataset), dtype=numpy.int64)
        for batch in batches:
            for index in batch:
                pair_of[index] = self.pairs.index(self.rule.choose(len(dataset.src[index]) - 1))
        return pair_of


def build_selector(text: str, threshold: Optional[float], dictionary: Symbols) -> Selector:
    """Build the selector that ``--depth-selector`` *text* names.

    Args:
        text: a checkpoint's path, ``oracle:FOLDER`` or ``length:RULE``.
        threshold: ``--selector-threshold``; only a trained selector takes one.
        dictionary: the source dictionary.

    Raises:
        ValueError: there is no such selector, or it takes no threshold.
    """
    if text.startswith((ORACLE, LENGTH)) and threshold is not None:
        raise ValueError(f"--selector-threshold {threshold:g}: {text} has no outputs to compare; leave it out")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"--selector-threshold {threshold:g}: expected 0 to 1")
    if text.startswith(ORACLE):
        folder = text[len(ORACLE) :]
        if not os.path.isdir(folder):
            raise ValueError(f"--depth-selector {text}: no such directory; fairseq-flexdepth oracle makes one")
        return OracleSelector(folder, dictionary)
    if text.startswith(LENGTH):
        return LengthSelector(text[len(LENGTH) :])
    return TrainedSelector(text, threshold, dictionary)
