"""A distilled split, put back into the order of the data and written as ``fairseq-preprocess`` would."""

import itertools
import os
import shutil
from array import array
from contextlib import ExitStack
from typing import Any, Dict, Iterator, List, NamedTuple, Set

import numpy
import torch
from fairseq.data import indexed_dataset

from fairseq_flexdepth.decoding.selection import REASONS, Outcome
from fairseq_flexdepth.decoding.split import Split


class Pair(NamedTuple):
    """A source, by its number in the data, and one target of it."""

    source: int
    target: torch.Tensor
    weight: float


class DistilledSplit:
    """The outcomes of a split's sources, compactly: millions of them fit into memory.

    Args:
        sources: how many there are; one without an outcome was too long for the teacher.
    """

    def __init__(self, sources: int) -> None:
        self._reasons: Any = numpy.full(sources, REASONS.index("length"), dtype=numpy.int8)  # -1: kept
        self._first: Any = numpy.zeros(sources, dtype=numpy.int64)  # the number of its first target
        self._targets: Any = numpy.zeros(sources, dtype=numpy.int32)
        self._tokens = array("i")
        self._ends = array("q", [0])
        self._weights = array("f")

    def add(self, outcome: Outcome) -> None:
        """Note what became of a source."""
        index = outcome.source
        self._reasons[index] = -1 if outcome.reason is None else REASONS.index(outcome.reason)
        self._first[index] = len(self._ends) - 1
        self._targets[index] = len(outcome.targets)
        for tokens in outcome.targets:
            self._tokens.extend(tokens)
            self._ends.append(len(self._tokens))
        self._weights.extend(outcome.weights or [1.0] * len(outcome.targets))

    @property
    def dropped(self) -> Dict[str, int]:
        """How many sources each reason cost."""
        return {reason: int((self._reasons == number).sum()) for number, reason in enumerate(REASONS)}

    @property
    def kept(self) -> int:
        """How many sources are kept."""
        return int((self._reasons == -1).sum())

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[Pair]:
        """All pairs, in the order of the data."""
        for index in range(len(self._reasons)):
            first = int(self._first[index])
            for number in range(first, first + int(self._targets[index])):
                tokens = self._tokens[self._ends[number] : self._ends[number + 1]]
                yield Pair(index, torch.tensor(tokens), self._weights[number])


def write_distilled(folder: str, split: Split, distilled: DistilledSplit, weighted: bool, text: bool) -> None:
    """Write the binarised split to *folder*; with *weighted* its weights, with *text* its text as well."""
    languages = split.task.cfg.source_lang, split.task.cfg.target_lang
    name = split.cfg.dataset.gen_subset
    prefix = os.path.join(folder, f"{name}.{'-'.join(languages)}")
    dictionaries = split.task.source_dictionary, split.task.target_dictionary
    builders: List[Any] = [
        indexed_dataset.make_builder(f"{prefix}.{language}.bin", impl="mmap", vocab_size=len(dictionary))
        for language, dictionary in zip(languages, dictionaries)
    ]
    with ExitStack() as stack:
        files = [
            stack.enter_context(open(os.path.join(folder, f"{name}.{language}"), "w", encoding="utf-8"))
            for language in languages
            if text
        ]
        for pair in distilled:
            builders[0].add_item(split.dataset.src[pair.source])
            builders[1].add_item(pair.target)
            if text:
                files[0].write(f"{split.source_text(pair.source)}\n")
                files[1].write(f"{split.target_text(pair.target.tolist())}\n")
    for language, builder in zip(languages, builders):
        builder.finalize(f"{prefix}.{language}.idx")
    if weighted:
        weights = numpy.fromiter((pair.weight for pair in distilled), dtype=numpy.float32, count=len(distilled))
        numpy.save(f"{prefix}.weights.npy", weights)


def _parts(split: Split, combined: bool) -> Set[str]:
    """The names of the split's parts: NAME and, as fairseq-train reads them, NAME1, NAME2 as far as they go."""
    name = split.cfg.dataset.gen_subset
    there = {file.partition(".")[0] for file in os.listdir(split.cfg.task.data)}
    more = itertools.takewhile(there.__contains__, (f"{name}{number}" for number in itertools.count(1)))
    return {name, *(more if combined else ())}


def carry_over(folder: str, split: Split, combined: bool) -> None:
    """Copy dictionaries and all other splits to *folder*.

    Args:
        combined: NAME1, NAME2 and so on belong to the split NAME that was distilled.
    """
    source, target = split.task.cfg.source_lang, split.task.cfg.target_lang
    data = split.cfg.task.data
    parts = _parts(split, combined)
    for language in {source, target}:
        shutil.copyfile(os.path.join(data, f"dict.{language}.txt"), os.path.join(folder, f"dict.{language}.txt"))
    # fairseq reads data of both directions and prefers the one asked for, which therefore comes last.
    for pair in (f"{target}-{source}", f"{source}-{target}"):
        for file in sorted(os.listdir(data)):
            name, found, rest = file.partition(f".{pair}.")
            if found and name.partition(".align")[0] not in parts:
                shutil.copyfile(os.path.join(data, file), os.path.join(folder, f"{name}.{source}-{target}.{rest}"))
