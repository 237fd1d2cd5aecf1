"""The distilled data set: its pairs in the order of the data, written in the format of ``fairseq-preprocess``."""

import copy
import itertools
import os
import re
import shutil
from array import array
from contextlib import ExitStack
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Set

import numpy
import torch
from fairseq import tasks
from fairseq.data import data_utils, indexed_dataset

from fairseq_flexdepth.corpus.hypothesis_filter import REASONS, FilteredSource
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.files.binarised_data import format_of


class Pair(NamedTuple):
    """One distilled pair."""

    source: int  # its number in the data
    target: torch.Tensor  # tokens, with the end symbol
    weight: float  # 1, or the renormalised probability of a hypothesis


class DistilledSplit:
    """The filtered sources of a split, in compact arrays: millions of sentences fit into memory.

    Args:
        sources: the number of sources; a source that is never added counts as dropped for its length: the teacher does
            not translate sources that are too long for it.
    """

    def __init__(self, sources: int) -> None:
        self._reasons: Any = numpy.full(sources, REASONS.index("length"), dtype=numpy.int8)  # -1: kept
        self._first: Any = numpy.zeros(sources, dtype=numpy.int64)  # per source, the number of its first target
        self._targets: Any = numpy.zeros(sources, dtype=numpy.int32)  # per source, how many targets it has
        self._tokens = array("i")  # of all targets, one after another
        self._ends = array("q", [0])  # target k has the tokens from _ends[k] to _ends[k + 1]
        self._weights = array("f")  # per target

    def add(self, filtered: FilteredSource) -> None:
        """Add a source with its targets, or with the reason for which it is dropped; sources come in any order."""
        index = filtered.source
        self._reasons[index] = -1 if filtered.reason is None else REASONS.index(filtered.reason)
        self._first[index] = len(self._ends) - 1
        self._targets[index] = len(filtered.targets)
        for tokens in filtered.targets:
            self._tokens.extend(tokens)
            self._ends.append(len(self._tokens))
        self._weights.extend(filtered.weights or [1.0] * len(filtered.targets))

    @property
    def dropped(self) -> Dict[str, int]:
        """The number of sources dropped for each reason."""
        return {reason: int((self._reasons == number).sum()) for number, reason in enumerate(REASONS)}

    @property
    def kept(self) -> int:
        """The number of sources with at least one target."""
        return int((self._reasons == -1).sum())

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[Pair]:
        """All pairs, in the order of the data."""
        for index in range(len(self._reasons)):
            first = int(self._first[index])
            for number in range(first, first + int(self._targets[index])):
                tokens = self._tokens[self._ends[number] : self._ends[number + 1]]
                yield Pair(index, torch.tensor(tokens), self._weights[number])


def write_distilled(folder: str, split: Split, distilled: DistilledSplit, weighted: bool, text: bool) -> None:
    """Write the distilled split to *folder* in fairseq's binarised format.

    Args:
        folder: an existing folder.
        split: the split that was distilled.
        distilled: its pairs.
        weighted: also write the weights of the pairs, to ``NAME.SRC-TGT.weights.npy``.
        text: also write both sides as text, to ``NAME.SRC`` and ``NAME.TGT``.
    """
    languages = split.task.options.source_lang, split.task.options.target_lang
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
            builders[0].add_item(torch.tensor(split.source_tokens(pair.source)))
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
    """The names of the split's parts: NAME and, if *combined*, NAME1, NAME2 and so on without a gap."""
    name = split.cfg.dataset.gen_subset
    existing = {file.partition(".")[0] for file in os.listdir(split.cfg.task.data)}
    more = itertools.takewhile(existing.__contains__, (f"{name}{number}" for number in itertools.count(1)))
    return {name, *(more if combined else ())}


def other_splits(split: Split, combined: bool) -> List[str]:
    """The names of the other splits that fairseq finds in the data; empty splits are left out.

    Args:
        split: the split that is distilled.
        combined: whether NAME1, NAME2 and so on belong to the distilled split NAME.
    """
    source, target = split.task.options.source_lang, split.task.options.target_lang
    data, impl = split.cfg.task.data, split.task.options.dataset_impl
    end = "" if impl == "raw" else ".bin"
    found = set()
    for pair in (f"{source}-{target}", f"{target}-{source}"):
        for file in os.listdir(data):
            name, pair_found, rest = file.partition(f".{pair}.")
            prefix = os.path.join(data, f"{name}.{pair}.{source}")
            if pair_found and rest == f"{source}{end}" and indexed_dataset.dataset_exists(prefix, impl):
                found.update([name] if os.path.getsize(f"{prefix}{end}") else [])
    return sorted(found - _parts(split, combined))


def check_other_splits(split: Split, combined: bool) -> None:
    """Open every split that :func:`carry_over` copies later, so that a damaged one is found before the decoding.

    Args:
        split: the split that is distilled.
        combined: whether NAME1, NAME2 and so on belong to the distilled split NAME.

    Raises:
        ValueError: a split cannot be read.
    """
    for name in other_splits(split, combined):
        split.task.load_dataset(name)
        del split.task.datasets[name]


def carry_over(folder: str, split: Split, combined: bool) -> None:
    """Copy the dictionaries and all other splits to *folder*.

    The splits are converted to the format of the distilled split (mmap): fairseq-train reads all splits in one format.

    Args:
        folder: an existing folder.
        split: the split that is distilled.
        combined: whether NAME1, NAME2 and so on belong to the distilled split NAME.
    """
    source, target = split.task.options.source_lang, split.task.options.target_lang
    data = split.cfg.task.data
    parts = _parts(split, combined)
    for language in {source, target, *getattr(split.task, "dicts", ())}:  # a task of many directions reads all of them
        if os.path.isfile(os.path.join(data, f"dict.{language}.txt")):  # not with --source-dict
            shutil.copyfile(os.path.join(data, f"dict.{language}.txt"), os.path.join(folder, f"dict.{language}.txt"))
    # Files may be named SRC-TGT or TGT-SRC. fairseq prefers SRC-TGT: it is copied last, over a TGT-SRC file.
    for pair in (f"{target}-{source}", f"{source}-{target}"):
        for file in sorted(os.listdir(data)):
            name, found, rest = file.partition(f".{pair}.")
            if found and name.partition(".align")[0] not in parts:
                to = os.path.join(folder, f"{name}.{source}-{target}.{rest}")
                _copy_as_mmap(os.path.join(data, file), to, split.task)


def _copy_as_mmap(path: str, to: str, task: Any) -> None:
    """Copy one file of a split; convert sentences in another format to mmap's ``.bin`` and ``.idx``."""
    sentences = re.compile(r"\.(bin|idx|vocab)$")
    prefix, new = sentences.sub("", path), sentences.sub("", to)
    options = task.options
    dictionaries = {options.source_lang: task.source_dictionary, options.target_lang: task.target_dictionary}
    dictionary = dictionaries.get(prefix.rpartition(".")[2])  # None for alignments
    impl = format_of(prefix, options.dataset_impl) if dictionary is not None or prefix != path else None
    if impl in (None, "mmap"):
        shutil.copyfile(path, to)
    elif path in (prefix, f"{prefix}.idx"):
        dataset: Any = data_utils.load_indexed_dataset(prefix, dictionary, "lazy" if impl == "cached" else impl)
        _write_mmap(new, (dataset[index] for index in range(len(dataset))), dictionary)


def _write_mmap(prefix: str, sentences: Iterable[Any], dictionary: Any) -> None:
    """Write *sentences* to *prefix* in the default format of fairseq-preprocess."""
    size = None if dictionary is None else len(dictionary)
    builder: Any = indexed_dataset.make_builder(f"{prefix}.bin", impl="mmap", vocab_size=size)
    for sentence in sentences:
        builder.add_item(sentence)
    builder.finalize(f"{prefix}.idx")


def check_readable(folder: str, split: Split) -> None:
    """Open every split in *folder* the way fairseq-train opens it, to check the finished data set.

    Args:
        folder: the distilled data set.
        split: the split that was distilled, for the options of its task.

    Raises:
        ValueError: a split cannot be read.
    """
    options = copy.deepcopy(split.cfg.task)
    options.data, options.dataset_impl = folder, None
    task = tasks.setup_task(options)
    languages = task.options.source_lang, task.options.target_lang
    for file in sorted(os.listdir(folder)):
        name, found, _ = file.partition(f".{'-'.join(languages)}.{languages[0]}.bin")
        if found and os.path.getsize(os.path.join(folder, file)):
            task.load_dataset(name)
