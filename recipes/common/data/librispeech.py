"""LibriSpeech as fairseq's speech-to-text data: filter banks, manifests, vocabulary, configuration.

python -m recipes.common.data.librispeech features ARCHIVE FOLDER SPLIT [--workers N]
python -m recipes.common.data.librispeech vocabulary FOLDER SPLIT... [--vocabulary N]

``features`` reads an archive of OpenSLR 12 once, from front to back, without unpacking it, and writes
FOLDER/fbank80-SPLIT.zip (Kaldi's log Mel filter banks, 80 per frame of 10 ms, one .npy file per utterance) and
FOLDER/SPLIT.tsv. ``vocabulary`` learns pieces from the transcripts of the splits and writes them and config.yaml.
"""

import argparse
import contextlib
import io
import os
import zipfile
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy

from recipes.common.data import archive, files, workers

BINS = 80
BLOCK = 128  # utterances in memory at a time
COLUMNS = ("id", "audio", "n_frames", "tgt_text", "speaker")
SPECIAL = {"bos_id": 0, "pad_id": 1, "eos_id": 2, "unk_id": 3}  # fairseq's own numbers
# SpecAugment's policy LD, which fairseq's own recipe uses
SPECAUGMENT = {
    "time_wrap_W": 0, "freq_mask_N": 2, "freq_mask_F": 27, "time_mask_N": 2, "time_mask_T": 100,
}  # fmt: skip


def filter_banks(flac: bytes) -> numpy.ndarray:
    """Return the filter banks of an audio file: frames × 80, float32, of 16-bit samples, without dither."""
    import kaldi_native_fbank
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = rate
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = BINS
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(rate, samples * 2**15)
    computer.input_finished()
    return numpy.stack([computer.get_frame(frame) for frame in range(computer.num_frames_ready)])


def _features(flac: bytes) -> Tuple[bytes, int]:
    """Return the filter banks of an utterance as the content of a .npy file, and its number of frames."""
    frames = filter_banks(flac)
    content = io.BytesIO()
    numpy.save(content, frames)
    return content.getvalue(), len(frames)


def utterances(path: str, transcripts: Dict[str, str]) -> Iterator[Tuple[str, bytes]]:
    """Yield id and audio of every utterance in an archive, and add the transcripts to *transcripts*, by id."""
    for name, content in archive.members(path):
        base = os.path.basename(name)
        if base.endswith(".flac"):
            yield base[: -len(".flac")], content.read()
        elif base.endswith(".trans.txt"):
            for line in filter(None, content.read().decode("utf-8-sig").split("\n")):
                utterance, _, said = line.partition(" ")
                transcripts[utterance] = " ".join(said.lower().split())


def write_features(path: str, folder: str, split: str, number: int) -> None:
    """Write the features of a split, and its manifest, which gives the place of each utterance in the zip file.

    Args:
        path: the archive.
        folder: the folder to write to.
        split: the name of the split.
        number: number of processes.

    Raises:
        ValueError: an utterance lacks its transcript or its audio.
    """
    transcripts: Dict[str, str] = {}
    frames: Dict[str, int] = {}
    zip_name = f"fbank{BINS}-{split}.zip"
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(files.written_whole(os.path.join(folder, zip_name), "wb"))
        processes = stack.enter_context(workers.Workers(number))
        packed = stack.enter_context(zipfile.ZipFile(output, "w", zipfile.ZIP_STORED))
        for block in workers.blocks(utterances(path, transcripts), BLOCK):
            results = processes.map(_features, [flac for _, flac in block], share=4)
            for (utterance, _), (content, length) in zip(block, results):
                packed.writestr(zipfile.ZipInfo(f"{utterance}.npy"), content)  # ZipInfo: without the current time
                frames[utterance] = length
        places = {entry.filename: (entry.header_offset, entry.file_size) for entry in packed.infolist()}
    silent = sorted(set(frames) ^ set(transcripts))
    if silent or not frames:
        raise ValueError(f"{path}: utterances without transcript, or transcripts without sound: {silent[:5]}")
    rows = ["\t".join(COLUMNS)]
    for utterance in sorted(frames):
        offset, size = places[f"{utterance}.npy"]
        offset += 30 + len(f"{utterance}.npy")  # after the entry's header and name
        place = f"{zip_name}:{offset}:{size}"
        speaker = utterance.split("-")[0]
        rows.append("\t".join((utterance, place, str(frames[utterance]), transcripts[utterance], speaker)))
    files.write_lines(os.path.join(folder, f"{split}.tsv"), rows)


def transcripts_of(folder: str, splits: Sequence[str]) -> List[str]:
    """Return the transcripts of the splits."""
    said = []
    for split in splits:
        rows = files.read_lines(os.path.join(folder, f"{split}.tsv"))
        next(rows)
        said += [row.split("\t")[COLUMNS.index("tgt_text")] for row in rows]
    return said


def write_vocabulary(folder: str, splits: Sequence[str], vocabulary: int, masked: float) -> None:
    """Write the SentencePiece model, fairseq's dictionary of its pieces, and the configuration.

    Args:
        folder: the folder of the data.
        splits: the splits with whose transcripts the pieces are learnt.
        vocabulary: number of pieces.
        masked: the largest share of an utterance's frames that one of SpecAugment's masks covers.
    """
    import sentencepiece
    import yaml

    name = f"spm_unigram{vocabulary}"
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(transcripts_of(folder, splits)), model_writer=model, vocab_size=vocabulary,
        model_type="unigram", character_coverage=1.0, num_threads=1, minloglevel=2, **SPECIAL,
    )  # fmt: skip
    with files.written_whole(os.path.join(folder, f"{name}.model"), "wb") as output:
        output.write(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    listed = (pieces.id_to_piece(number) for number in range(len(SPECIAL), pieces.get_piece_size()))
    files.write_lines(os.path.join(folder, f"{name}.txt"), (f"{piece} 1" for piece in listed))
    config: Dict[str, Any] = {
        "audio_root": os.path.abspath(folder),
        "bpe_tokenizer": {"bpe": "sentencepiece", "sentencepiece_model": f"{name}.model"},
        "input_channels": 1,
        "input_feat_per_channel": BINS,
        "specaugment": {**SPECAUGMENT, "time_mask_p": masked},
        "transforms": {"*": ["utterance_cmvn"], "_train": ["utterance_cmvn", "specaugment"]},
        "vocab_filename": f"{name}.txt",
    }
    with files.written_whole(os.path.join(folder, "config.yaml")) as output:
        yaml.safe_dump(config, output)


def main(arguments: Sequence[str]) -> None:
    """Write features or vocabulary."""
    parser = argparse.ArgumentParser(description="LibriSpeech as fairseq's speech-to-text data.")
    commands = parser.add_subparsers(dest="command", required=True)
    features = commands.add_parser("features")
    features.add_argument("archive")
    features.add_argument("folder")
    features.add_argument("split")
    features.add_argument("--workers", type=int, default=1)
    vocabulary = commands.add_parser("vocabulary")
    vocabulary.add_argument("folder")
    vocabulary.add_argument("splits", nargs="+", metavar="SPLIT")
    vocabulary.add_argument("--vocabulary", type=int, default=10_000, help="number of pieces (default: 10000)")
    masked = "largest share of an utterance's frames in one of SpecAugment's time masks (default: 1)"
    vocabulary.add_argument("--masked", type=float, default=1.0, help=masked)
    args = parser.parse_args(arguments)
    if args.command == "features":
        write_features(args.archive, args.folder, args.split, args.workers)
    else:
        write_vocabulary(args.folder, args.splits, args.vocabulary, args.masked)


if __name__ == "__main__":
    files.run(main)
