"""Files of a binarised data set that are damaged or not of one piece, found before anything is read from them.

fairseq trusts them: it fails with an ``AttributeError`` in a destructor, or in the middle of a training.
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

MADE_BY = "expected what fairseq-preprocess writes"
# How an index begins, by --dataset-impl; mmap, the default, is looked at closely, the others are left to fairseq.
MAGIC = {"mmap": b"MMIDIDX\x00\x00", "cached": b"TNTIDX", "huffman": b"HUFFIDX"}
HEADER = struct.Struct("<9sQBQ")  # magic, version, code of the tokens' type, number of sentences
POSITION = 12  # bytes a sentence: its length and where it starts
LOOKED_AT = 10**7  # tokens, in which another dictionary shows: of gigabytes every rank would read all before it starts


def read_dictionary(path: str) -> Dictionary:
    """fairseq's dictionary of the file *path*; a byte order mark is no part of the first word.

    Raises:
        ValueError: there is none, or it is damaged or not in UTF-8.
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
    first = dictionary.nspecial
    marked = dictionary.symbols[first] if len(dictionary) > first else ""
    word = marked[len(MARK) :]
    if marked.startswith(MARK) and word not in dictionary.indices:
        dictionary.symbols[first] = word
        dictionary.indices[word] = dictionary.indices.pop(marked)


def splits_in(folders: Iterable[str]) -> List[str]:
    """The names of the splits that the data directories have."""
    files = [file for folder in folders for file in os.listdir(folder)]
    return sorted({file.partition(".")[0] for file in files if file.endswith(".idx")})


def no_such_split(data: str, split: str, languages: Sequence[str], impl: Optional[str]) -> ValueError:
    """What to raise where fairseq finds no *split* of the language pair in *data*; *impl* is ``--dataset-impl``."""
    folders = utils.split_paths(data)
    pair = "-".join(languages)
    asked = "" if impl is None else f" in the format of --dataset-impl {impl}"
    there = ", ".join(splits_in(folders)) or "no split at all"
    texts = [os.path.join(folder, f"{split}.{pair}.{languages[0]}") for folder in folders]
    hint = "; its text needs --dataset-impl raw" if impl is None and any(map(os.path.isfile, texts)) else ""
    return ValueError(f"DATA {data}: no split {split} of {pair}{asked}; it has {there}{hint}")


def format_of(prefix: str, impl: Optional[str]) -> Optional[str]:
    """The format of the sentences *prefix*: ``raw``, ``cached`` (also called lazy), ``mmap``, ``huffman`` or unknown.

    Args:
        prefix: their path without ``.bin`` or ``.idx``.
        impl: ``--dataset-impl``, which decides where there are both text and an index; fairseq prefers the text.
    """
    if os.path.isfile(prefix) and impl in (None, "raw"):
        return "raw"
    if not os.path.isfile(f"{prefix}.idx"):
        return None
    with open(f"{prefix}.idx", "rb") as file:
        header = file.read(HEADER.size)
    return next((name for name, magic in MAGIC.items() if header.startswith(magic)), None)


def name_of(dataset: Any, datasets: Dict[str, Any]) -> Optional[str]:
    """The split of *datasets* that *dataset* is; ``None`` for what is no split, such as lines typed in."""
    return next((name for name, known in datasets.items() if known is dataset), None)


@contextmanager
def named_batching_mistakes(data: str, max_tokens: Optional[int]) -> Iterator[None]:
    """Turn what fairseq raises while it makes batches of *data* into a ``ValueError``."""
    try:
        yield
    except AssertionError as error:
        raise ValueError(f"--max-tokens {max_tokens}: {error}") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ValueError(f"{data}: {error}") from error  # of a sentence that is too long


def check_split(
    folder: str, split: str, combine: bool, dictionaries: Dict[str, Dictionary], impl: Optional[str] = None
) -> None:
    """Look at the files of *split* in *folder*.

    Args:
        folder: a data directory.
        split: the split's name.
        combine: whether NAME1, NAME2 and so on belong to it.
        dictionaries: by language.
        impl: ``--dataset-impl``.

    Raises:
        ValueError: a file is empty, cut short, of something else or in another format than *impl*; one of its first
            tokens is not in its dictionary; or the sides have different numbers of sentences.
    """
    if impl == "raw":
        return  # it has no such files
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
    found = format_of(prefix, impl)
    if impl is not None and found not in (None, "cached" if impl == "lazy" else impl):
        raise ValueError(f"{prefix}.idx: is not in the format of --dataset-impl {impl}; leave the option out")


def _check_tokens(path: str, dictionary: Dictionary) -> Optional[int]:
    """The number of sentences in *path*; ``None`` where its index is of a kind that is not looked at."""
    index = f"{path[: -len('.bin')]}.idx"
    if not os.path.isfile(index):
        return None  # fairseq passes over the split
    with open(index, "rb") as file:
        header = file.read(HEADER.size)
    if header.startswith(MAGIC["cached"]):
        return None
    if header.startswith(MAGIC["huffman"]):
        return _check_huffman(path[: -len(".bin")])
    if len(header) < HEADER.size or not header.startswith(MAGIC["mmap"]):
        raise ValueError(f"{index}: is no index of a binarised data set, or cut short; {MADE_BY}")
    _, _, code, sentences = HEADER.unpack(header)
    if code not in _code_to_dtype or os.path.getsize(index) != HEADER.size + sentences * POSITION:
        raise ValueError(f"{index}: is damaged or cut short; {MADE_BY}")
    kind: Any = numpy.dtype(_code_to_dtype[code])
    sizes: Any = numpy.fromfile(index, dtype=numpy.int32, count=sentences, offset=HEADER.size)
    if os.path.getsize(path) != int(sizes.sum(dtype=numpy.int64)) * kind.itemsize:
        raise ValueError(f"{path}: has {os.path.getsize(path)} bytes, its index {index} is of other data; {MADE_BY}")
    largest = int(numpy.memmap(path, dtype=kind, mode="r")[:LOOKED_AT].max())
    if largest >= len(dictionary):
        raise ValueError(
            f"{path}: has token {largest}, its dictionary {len(dictionary)} entries; expected the dictionary that it "
            "was binarised with"
        )
    return sentences


def _check_huffman(prefix: str) -> int:
    """The number of sentences; fairseq's decoder of them fails with newer versions of the package bitarray."""
    try:
        dataset: Any = HuffmanMMapIndexedDataset(prefix)
        dataset[0]
    except Exception as error:
        raise ValueError(f"{prefix}.bin: cannot be read as --dataset-impl huffman: {brief(error)}") from error
    return len(dataset)
