"""Miniature LibriSpeech: sentences in which every letter is a tone, in the original's folders and formats."""

import io
import zlib
from typing import Dict

import numpy

from recipes.common.data import miniature_text as make

RATE = 16_000
LETTER = 0.05  # seconds that a letter sounds; a space is silent


def spoken(sentence: str) -> numpy.ndarray:
    """Float samples: one frequency a letter, with a little noise that is the same at every run."""
    time = numpy.arange(int(LETTER * RATE)) / RATE
    tones = [
        0.3 * numpy.sin(2 * numpy.pi * (300 + 130 * (ord(letter) - ord("A"))) * time) * (letter != " ")
        for letter in sentence
    ]
    noise = numpy.random.RandomState(zlib.crc32(sentence.encode())).normal(scale=0.002, size=len(tones) * len(time))
    return numpy.concatenate(tones) + noise


def said(pair: make.Pair) -> str:
    """The English side as LibriSpeech writes: capitals, no punctuation."""
    kept = (c for c in pair[1].upper() if c == " " or "A" <= c <= "Z")
    return " ".join("".join(kept).split())


def members(split: str, first: int, utterances: int) -> Dict[str, bytes]:
    """The files of a split: speakers of five utterances, a chapter each."""
    import soundfile

    files: Dict[str, bytes] = {"LibriSpeech/SPEAKERS.TXT": b";ID |SEX| SUBSET |MINUTES| NAME\n"}
    lines: Dict[str, str] = {}
    # the shortest of some, for time is seconds times letters
    sentences = sorted(map(said, make.german_english(first, 4 * utterances)), key=len)[:utterances]
    for number, sentence in enumerate(sentences):
        speaker, utterance = 1000 + number // 5, number % 5
        chapter = f"LibriSpeech/{split}/{speaker}/7"
        flac = io.BytesIO()
        soundfile.write(flac, spoken(sentence), RATE, format="FLAC", subtype="PCM_16")
        files[f"{chapter}/{speaker}-7-{utterance:04}.flac"] = flac.getvalue()
        transcript = f"{chapter}/{speaker}-7.trans.txt"
        lines[transcript] = lines.get(transcript, "") + f"{speaker}-7-{utterance:04} {sentence}\n"
    files.update({name: text.encode() for name, text in lines.items()})
    return files
