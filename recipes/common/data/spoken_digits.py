"""A corpus of spoken digits in LibriSpeech's archives, synthesised by espeak-ng.

python -m recipes.common.data.spoken_digits FOLDER [--utterances N]

An utterance is 3 to 8 digits in one of several voices, at its own speed and pitch, with white noise. All of it follows
from the name of the split and the utterance's number, so every machine with the same espeak-ng makes the same corpus.
"""

import argparse
import io
import random
import shutil
import subprocess
from pathlib import Path
from typing import Iterator, Sequence, Tuple

import numpy
from tqdm import tqdm

from recipes.common.data import files, miniature_text, speech_archive

RATE = 22_050  # espeak-ng's
DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp")
VARIANTS = ("m1", "m2", "m3", "m4", "f1", "f2", "f3", "f4")
NOISE = (0, 15)  # decibels between speech and noise, the worst and the best
SHARES = {"train-clean-100": 1.0, "dev-clean": 0.05, "test-clean": 0.125}  # of --utterances


def utterance(split: str, number: int) -> Tuple[str, numpy.ndarray]:
    """Return the digits and the sound of an utterance.

    Args:
        split: the name of its split.
        number: its number in the split, from 0.
    """
    import soundfile

    draw = random.Random(f"{split} {number}")
    words = " ".join(draw.choice(DIGITS) for _ in range(draw.randint(3, 8)))
    voice = f"{draw.choice(ACCENTS)}+{draw.choice(VARIANTS)}"
    options = ["-v", voice, "-s", str(draw.randint(130, 260)), "-p", str(draw.randint(20, 80)), "--stdout"]
    sound = subprocess.run(["espeak-ng", *options, words.lower()], check=True, stdout=subprocess.PIPE).stdout
    samples, _ = soundfile.read(io.BytesIO(sound), dtype="float32")
    decibels = draw.uniform(*NOISE)
    noise = numpy.random.RandomState(draw.getrandbits(32)).normal(size=len(samples))
    loudness = float(numpy.sqrt(numpy.mean(samples**2)))
    noisy = samples + noise * loudness * 10 ** (-decibels / 20)
    return words, noisy / max(1.0, float(numpy.abs(noisy).max()))


def utterances(split: str, count: int) -> Iterator[Tuple[str, numpy.ndarray]]:
    """Yield the digits and the sound of *count* utterances, with a progress bar."""
    for number in tqdm(range(count), desc=split):
        yield utterance(split, number)


def main(arguments: Sequence[str]) -> None:
    """Write the archives of all splits.

    Raises:
        ValueError: a split would be empty, or there is no espeak-ng.
    """
    parser = argparse.ArgumentParser(description="Synthesise a corpus of digits in LibriSpeech's archives.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--utterances", type=int, default=4000, help="of the training split (default: 4000)")
    args = parser.parse_args(arguments)
    if args.utterances < 20:
        raise ValueError(f"--utterances {args.utterances}: expected at least 20")
    if shutil.which("espeak-ng") is None:
        raise ValueError("espeak-ng: no such program, expected on the PATH; Debian: apt-get install espeak-ng")
    for split, share in SHARES.items():
        spoken = utterances(split, int(share * args.utterances))
        packed = miniature_text.tgz(speech_archive.members(split, spoken, RATE))
        miniature_text.write(args.folder / f"{split}.tar.gz", packed)


if __name__ == "__main__":
    files.run(main)
