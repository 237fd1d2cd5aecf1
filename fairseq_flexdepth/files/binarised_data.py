"""Check the files of a binarised data set before fairseq reads them.

fairseq does not check them: with a damaged file it fails with an ``AttributeError`` in a destructor, or in the middle
of a training.
"""

import glob
import os
import re
import struct
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.data.huffman import HuffmanMMapIndexedDataset
from fairseq.data.indexed_dataset import _code_to_dtype

from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.files.text import MARK, other_encoding

MADE_BY = "expected a file written by fairseq-preprocess"
# The first bytes of an index, by --dataset-impl. Only the default, mmap, is checked in detail.
MAGIC = {"mmap": b"MMIDIDX\x00\x00", "cached": b"TNTIDX", "huffman": b"HUFFIDX"}
HEADER = struct.Struct("<9sQBQ")  # magic, version, code of the tokens' type, number of sentences
POSITION = 12  # bytes per sentence in the index: its length and its start
# The number of tokens that are compared with the dictionary. To read all gigabytes would delay the start of every rank.
TOKENS_CHECKED = 10**7


def read_dictionary(path: str) -> Dictionary:
    """Read fairseq's dictionary from the file *path*, without a byte order mark.

    Raises:
        ValueError: there is no such file, or it is damaged or not in UTF-8.
    """
    try:
        dictionary = Dictionary.load(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such dictionary; {MADE_BY}") from None
    except Exception as error:  # fairseq raises several kinds
        found = other_encoding(path)
        reason = f"expected text in UTF-8, given {found}" if found else brief(error)
        raise ValueError(f"{path}: cannot be read as a dictionary: {reason}") from error
    _drop_mark(dictionary)
    return dictionary


def _drop_mark(dictionary: Dictionary) -> None:
    """Remove a byte order mark from the first word, which fairseq reads as a part of it."""
    first = dictionary.nspecial
    marked = dictionary.symbols[first] if len(dictionary) > first else ""
    word = marked[len(MARK) :]
    if marked.startswith(MARK) and word not in dictionary.indices:
        dictionary.symbols[first] = word
        dictionary.indices[word] = dictionary.indices.pop(marked)


def splits_in(folders: Iterable[str]) -> List[str]:
    """The names of all splits in the data directories *folders*."""
    files = [file for folder in folders for file in os.listdir(folder)]
    return sorted({file.partition(".")[0] for file in files if file.endswith(".idx")})


def no_such_split(data: str, split: str, languages: Sequence[str], impl: Optional[str]) -> ValueError:
    """The error for a split that fairseq does not find; the message lists the splits in the data.

    Args:
        data: the data directories, in the form of fairseq's ``data`` option.
        split: the name of the split.
        languages: source and target language.
        impl: ``--dataset-impl``.
    """
    folders = utils.split_paths(data)
    pair = "-".join(languages)
    asked = "" if impl is None else f" in the format of --dataset-impl {impl}"
    there = ", ".join(splits_in(folders)) or "no split at all"
    texts = [os.path.join(folder, f"{split}.{pair}.{languages[0]}") for folder in folders]
    hint = "; its text needs --dataset-impl raw" if impl is None and any(map(os.path.isfile, texts)) else ""
    return ValueError(f"DATA {data}: no split {split} of {pair}{asked}; it has {there}{hint}")


def format_of(prefix: str, impl: Optional[str]) -> Optional[str]:
    """The format of a file of sentences: ``raw``, ``cached`` (also called lazy), ``mmap``, ``huffman``, or ``None``.

    Args:
        prefix: the path without ``.bin`` or ``.idx``.
        impl: ``--dataset-impl``. Without it fairseq reads the text (raw) if there are both text and an index.
    """
    if os.path.isfile(prefix) and impl in (None, "raw"):
        return "raw"
    if not os.path.isfile(f"{prefix}.idx"):
        return None
    with open(f"{prefix}.idx", "rb") as file:
        header = file.read(HEADER.size)
    return next((name for name, magic in MAGIC.items() if header.startswith(magic)), None)


def name_of(dataset: Any, datasets: Dict[str, Any]) -> Optional[str]:
    """The name of the split that *dataset* is, or wraps, among a task's *datasets*; ``None`` for typed input."""
    candidates = (dataset, getattr(dataset, "dataset", dataset))
    return next((name for name, known in datasets.items() if any(known is candidate for candidate in candidates)), None)


@contextmanager
def named_batching_mistakes(data: str, max_tokens: Optional[int]) -> Iterator[None]:
    """Turn fairseq's errors about batches of *data* into a ``ValueError`` that names the option.

    Args:
        data: the split, for the error message.
        max_tokens: ``--max-tokens``.

    Raises:
        ValueError: a sentence is too long for ``--max-tokens`` or for the models.
    """
    try:
        yield
    except AssertionError as error:
        raise ValueError(f"--max-tokens {max_tokens}: {error}") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ValueError(f"{data}: {error}") from error  # a sentence is too long for the models


def check_split(
    folder: str, split: str, combine: bool, dictionaries: Dict[str, Dictionary], impl: Optional[str] = None
) -> None:
    """Check the files of one split.

    Args:
        folder: a data directory.
        split: the name of the split.
        combine: whether NAME1, NAME2 and so on belong to the split NAME.
        dictionaries: the dictionaries by language.
        impl: ``--dataset-impl``.

    Raises:
        ValueError: a file is empty, truncated, not a binarised file, or in another format than *impl*; one of its first
            tokens is not in the dictionary; or source and target have different numbers of sentences.
    """
    if impl == "raw":
        return  # text has no such files
    part = re.escape(split) + ("[0-9]*" if combine else "")
    side = re.compile(rf"(?P<part>{part}(\.\S+)?)\.(?P<language>[^.]+)\.bin")
    lengths: Dict[str, List[Tuple[str, int]]] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), f"{glob.escape(split)}*.bin"))):
        name = side.fullmatch(os.path.basename(path))
        if name is None or name["language"] not in dictionaries:
            continue
        if os.path.getsize(path) == 0:
            raise ValueError(f"{path}: has no sentences; expected at least one")
        _check_format(path[: -len(".bin")], impl)
        sentences = _check_tokens(path, dictionaries[name["language"]])
        if sentences is not None:
            lengths.setdefault(name["part"], []).append((path, sentences))
    for sides in lengths.values():
        if len({sentences for _, sentences in sides}) > 1:
            counts = ", ".join(f"{path} has {sentences}" for path, sentences in sides)
            raise ValueError(f"DATA {folder}: expected as many sentences on both sides; {counts}")


def _check_format(prefix: str, impl: Optional[str]) -> None:
    """Refuse a file in another format than ``--dataset-impl``."""
    found = format_of(prefix, impl)
    if impl is not None and found not in (None, "cached" if impl == "lazy" else impl):
        raise ValueError(f"{prefix}.idx: is not in the format of --dataset-impl {impl}; leave the option out")


def _check_tokens(path: str, dictionary: Dictionary) -> Optional[int]:
    """Check a file of tokens and its index.

    Returns:
        The number of sentences; ``None`` if there is no index, or it is in a format that is not checked.
    """
    index = f"{path[: -len('.bin')]}.idx"
    if not os.path.isfile(index):
        return None  # fairseq ignores the split
    with open(index, "rb") as file:
        header = file.read(HEADER.size)
    if header.startswith(MAGIC["cached"]):
        return None
    if header.startswith(MAGIC["huffman"]):
        return _check_huffman(path[: -len(".bin")])
    if len(header) < HEADER.size or not header.startswith(MAGIC["mmap"]):
        raise ValueError(f"{index}: is not the index of a binarised data set, or truncated; {MADE_BY}")
    _, _, code, sentences = HEADER.unpack(header)
    if code not in _code_to_dtype or os.path.getsize(index) != HEADER.size + sentences * POSITION:
        raise ValueError(f"{index}: is damaged or truncated; {MADE_BY}")
    token_type: Any = numpy.dtype(_code_to_dtype[code])
    sizes: Any = numpy.fromfile(index, dtype=numpy.int32, count=sentences, offset=HEADER.size)
    if os.path.getsize(path) != int(sizes.sum(dtype=numpy.int64)) * token_type.itemsize:
        raise ValueError(f"{path}: has {os.path.getsize(path)} bytes, its index {index} is for other data; {MADE_BY}")
    largest = int(numpy.memmap(path, dtype=token_type, mode="r")[:TOKENS_CHECKED].max())
    if largest >= len(dictionary):
        raise ValueError(
            f"{path}: has token {largest}, but its dictionary has {len(dictionary)} entries; expected the dictionary "
            "that it was binarised with"
        )
    return sentences


def _check_huffman(prefix: str) -> int:
    """Check Huffman-coded sentences, which fairseq cannot read with newer versions of the package bitarray.

    Returns:
        The number of sentences.
    """
    try:
        dataset: Any = HuffmanMMapIndexedDataset(prefix)
        dataset[0]
    except Exception as error:
        raise ValueError(f"{prefix}.bin: cannot be read as --dataset-impl huffman: {brief(error)}") from error
    return len(dataset)
