"""A miniature of LibriSpeech: sentences in which every letter is a tone, in the original folders and formats."""

import io
import zlib
from typing import Dict

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


def members(split: str, first: int, utterances: int) -> Dict[str, bytes]:
    """Return the files of a split: five utterances per speaker, one chapter each.

    Args:
        split: its name.
        first: number of the first sentence to draw from.
        utterances: number of utterances.
    """
    import soundfile

    files: Dict[str, bytes] = {"LibriSpeech/SPEAKERS.TXT": b";ID |SEX| SUBSET |MINUTES| NAME\n"}
    lines: Dict[str, str] = {}
    # the shortest quarter of the sentences drawn, since each letter takes time
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
