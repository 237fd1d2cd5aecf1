"""Checksums that tell whether two files are equal, hold the same sentences, or the same dictionary."""

import hashlib
import os
import zlib
from typing import List, Sequence, Union

import numpy
from torch import Tensor

from fairseq_flexdepth.protocols import Symbols


def file_checksum(path: str) -> List[Union[int, str]]:
    """The size of a file in bytes and the SHA-256 of its contents, as JSON values."""
    checksum = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            checksum.update(block)
    return [os.path.getsize(path), checksum.hexdigest()]


def source_checksum(source: Sequence[Tensor]) -> int:
    """A CRC32 of the tokens of *source* sentences."""
    checksum = 0
    for index in range(len(source)):
        tokens = numpy.asarray(source[index], dtype=numpy.int64)
        checksum = zlib.crc32(tokens.tobytes(), zlib.crc32(b"%d " % len(tokens), checksum))
    return checksum


def batches_checksum(batches: Sequence[Sequence[int]]) -> int:
    """A CRC32 of the sentence numbers of *batches*."""
    checksum = 0
    for numbers in batches:
        for array in ([len(numbers)], numbers):
            checksum = zlib.crc32(numpy.asarray(array, dtype=numpy.int64).tobytes(), checksum)
    return checksum


def dictionary_checksum(dictionary: Symbols) -> int:
    """A CRC32 of the symbols of a dictionary."""
    return zlib.crc32("\n".join(dictionary.symbols).encode())
