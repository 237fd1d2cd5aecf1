"""A miniature of LibriSpeech: sentences in which every letter is a tone, in the original folders and formats."""

import zlib
from typing import Iterator, Tuple

import numpy

from recipes.common.data import miniature_text as make

RATE = 16_000
LETTER = 0.05  # seconds per letter; a space is silent


def spoken(sentence: str) -> numpy.ndarray:
    """Return the sound of a sentence as float samples: one frequency per letter, and noise, the same in every run."""
    time = numpy.arange(int(LETTER * RATE)) / RATE
    tones = [
        0.3 * numpy.sin(2 * numpy.pi * (300 + 130 * (ord(letter) - ord("A"))) * time) * (letter != " ")
        for letter in sentence
    ]
    noise = numpy.random.RandomState(zlib.crc32(sentence.encode())).normal(scale=0.002, size=len(tones) * len(time))
    return numpy.concatenate(tones) + noise


def said(pair: make.Pair) -> str:
    """Return the English side in LibriSpeech's spelling: capitals without punctuation."""
    kept = (c for c in pair[1].upper() if c == " " or "A" <= c <= "Z")
    return " ".join("".join(kept).split())


def sentences(first: int, count: int) -> Iterator[Tuple[str, numpy.ndarray]]:
    """Yield sentences with their sound: the shortest quarter of the sentences drawn, since each letter takes time.

    Args:
        first: number of the first sentence to draw from.
        count: number of sentences.
    """
    for sentence in sorted(map(said, make.german_english(first, 4 * count)), key=len)[:count]:
        yield sentence, spoken(sentence)
