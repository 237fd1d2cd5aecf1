"""Checksums that tell whether two files are about the same sentences and the same words."""

import zlib
from typing import Any, Sequence

import numpy


def source_checksum(source: Sequence[Any]) -> int:
    """A CRC32 of the sentences' tokens."""
    checksum = 0
    for index in range(len(source)):
        tokens = numpy.asarray(source[index], dtype=numpy.int64)
        checksum = zlib.crc32(tokens.tobytes(), zlib.crc32(b"%d " % len(tokens), checksum))
    return checksum


def dictionary_checksum(dictionary: Any) -> int:
    """A CRC32 of the symbols of fairseq's *dictionary*."""
    return zlib.crc32("\n".join(dictionary.symbols).encode())
