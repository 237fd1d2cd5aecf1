"""The files of a LibriSpeech archive: utterances as FLAC, and their transcripts."""

import io
from typing import Dict, Iterable, Tuple

import numpy

UTTERANCES = 5  # per speaker, who has one chapter


def members(split: str, spoken: Iterable[Tuple[str, numpy.ndarray]], rate: int) -> Dict[str, bytes]:
    """Return the files of a split by path.

    Args:
        split: its name.
        spoken: sentences in capitals without punctuation, each with its sound as float samples between -1 and 1.
        rate: samples per second.
    """
    import soundfile

    files: Dict[str, bytes] = {"LibriSpeech/SPEAKERS.TXT": b";ID |SEX| SUBSET |MINUTES| NAME\n"}
    lines: Dict[str, str] = {}
    for number, (sentence, samples) in enumerate(spoken):
        speaker, utterance = 1000 + number // UTTERANCES, number % UTTERANCES
        chapter = f"LibriSpeech/{split}/{speaker}/7"
        flac = io.BytesIO()
        soundfile.write(flac, samples, rate, format="FLAC", subtype="PCM_16")
        files[f"{chapter}/{speaker}-7-{utterance:04}.flac"] = flac.getvalue()
        transcript = f"{chapter}/{speaker}-7.trans.txt"
        lines[transcript] = lines.get(transcript, "") + f"{speaker}-7-{utterance:04} {sentence}\n"
    files.update({name: text.encode() for name, text in lines.items()})
    return files
