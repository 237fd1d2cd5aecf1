"""Files of a binarised data set that are damaged or not of one piece, found before anything is read from them.

fairseq trusts them: it fails with an ``AttributeError`` in a destructor, or in the middle of a training.
"""

import glob
import os
import re
import struct
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

import numpy
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import _code_to_dtype

from fairseq_flexdepth.models.checkpoint_file import brief

MADE_BY = "expected what fairseq-preprocess writes"
MAGIC = b"MMIDIDX\x00\x00"  # of --dataset-impl mmap, the default
OTHER_MAGIC = (b"TNTIDX", b"HUFFIDX")  # of other kinds of index, which are left to fairseq
HEADER = struct.Struct("<9sQBQ")  # magic, version, code of the tokens' type, number of sentences
POSITION = 12  # bytes a sentence: its length and where it starts
LOOKED_AT = 10**7  # tokens, in which another dictionary shows: of gigabytes every rank would read all before it starts


def read_dictionary(path: str) -> Dictionary:
    """fairseq's dictionary of the file *path*.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    try:
        return Dictionary.load(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such dictionary; {MADE_BY}") from None
    except Exception as error:  # fairseq raises several kinds
        raise ValueError(f"{path}: cannot be read as a dictionary: {brief(error)}") from error


def splits_in(folders: Iterable[str]) -> List[str]:
    """The names of the splits that the data directories have."""
    files = [file for folder in folders for file in os.listdir(folder)]
    return sorted({file.partition(".")[0] for file in files if file.endswith(".idx")})


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


def check_split(folder: str, split: str, combine: bool, dictionaries: Dict[str, Dictionary]) -> None:
    """Look at the files of *split* in *folder*.

    Args:
        folder: a data directory.
        split: the split's name.
        combine: whether NAME1, NAME2 and so on belong to it.
        dictionaries: by language.

    Raises:
        ValueError: a file is empty, cut short, or of something else; one of its first tokens is not in its dictionary;
            or the sides have different numbers of sentences.
    """
    part = re.escape(split) + ("[0-9]*" if combine else "")
    side = re.compile(rf"(?P<part>{part}(\.\S+)?)\.(?P<language>[^.]+)\.bin")
    lengths: Dict[str, List[Tuple[str, int]]] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), f"{glob.escape(split)}*.bin"))):
        name = side.fullmatch(os.path.basename(path))
        if name is None or name["language"] not in dictionaries:
            continue
        if os.path.getsize(path) == 0:
            raise ValueError(f"{path}: has no sentences; expected at least one")
        sentences = _check_tokens(path, dictionaries[name["language"]])
        if sentences is not None:
            lengths.setdefault(name["part"], []).append((path, sentences))
    for sides in lengths.values():
        if len({sentences for _, sentences in sides}) > 1:
            counts = ", ".join(f"{path} has {sentences}" for path, sentences in sides)
            raise ValueError(f"DATA {folder}: expected as many sentences on both sides; {counts}")


def _check_tokens(path: str, dictionary: Dictionary) -> Optional[int]:
    """The number of sentences in *path*; ``None`` where its index is of a kind that is not looked at."""
    index = f"{path[: -len('.bin')]}.idx"
    if not os.path.isfile(index):
        return None  # fairseq passes over the split
    with open(index, "rb") as file:
        header = file.read(HEADER.size)
    if header.startswith(OTHER_MAGIC):
        return None
    if len(header) < HEADER.size or not header.startswith(MAGIC):
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
