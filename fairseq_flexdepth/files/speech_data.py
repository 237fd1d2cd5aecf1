"""Check a folder of speech data before fairseq reads it: config.yaml, the dictionary, and a manifest for each split.

Without these checks fairseq fails with a traceback, at a missing audio file in the middle of a training.
"""

import csv
import os
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List

from fairseq.data import Dictionary, encoders
from fairseq.data.audio.audio_utils import get_features_or_waveform
from fairseq.data.audio.speech_to_text_dataset import S2TDataConfig, SpeechToTextDataset

from fairseq_flexdepth.files.binarised_data import read_dictionary
from fairseq_flexdepth.files.checkpoints import brief

COLUMNS = ("id", "audio", "n_frames", "tgt_text")  # a manifest must have them


def check_config(folder: str, name: str) -> None:
    """Check the configuration of the data and its dictionary.

    Args:
        folder: the data directory, which exists.
        name: ``--config-yaml``.

    Raises:
        ValueError: the configuration or the dictionary is missing or cannot be read.
    """
    path = Path(folder) / name
    if not path.is_file():
        raise ValueError(f"--config-yaml {name}: no such file in DATA {folder}")
    try:
        config = S2TDataConfig(path)
        dictionary = Path(folder) / config.vocab_filename
    except Exception as error:  # PyYAML raises several kinds; a file without keys has no vocab_filename
        raise ValueError(f"--config-yaml {path}: cannot be read: {brief(error)}") from error
    if not dictionary.is_file():
        raise ValueError(f"{path}: vocab_filename names {dictionary}, which does not exist")
    read_dictionary(str(dictionary))
    for key, build in (("pre_tokenizer", encoders.build_tokenizer), ("bpe_tokenizer", encoders.build_bpe)):
        options = getattr(config, key)
        try:
            build(Namespace(**options))
        except Exception as error:  # of a missing package or file, and each tokeniser's own
            raise ValueError(f"{path}: {key} {options}: cannot be built: {brief(error)}") from error


def check_manifest(folder: str, split: str, config: S2TDataConfig) -> None:
    """Check the manifest of a split, and the features of its first utterance.

    Args:
        folder: the data directory.
        split: the name of the split.
        config: the configuration of the data.

    Raises:
        ValueError: the manifest is missing, has no utterances or lacks a column, or the first utterance cannot be read
            or has features of another size than the configuration says.
    """
    path = Path(folder) / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in Path(folder).glob("*.tsv"))) or "no split at all"
        raise ValueError(f"DATA {folder}: no split {split}; it has {there}")
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing: List[str] = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        first: Dict[str, Any] = next(reader, {})
    if missing:
        raise ValueError(f"{path}: lacks the columns {', '.join(missing)}; expected {', '.join(COLUMNS)} between tabs")
    if not first:
        raise ValueError(f"{path}: has no utterances; expected at least one")
    _check_features(f"{path}: utterance {first['id']}", os.path.join(config.audio_root, first["audio"]), config)


def check_language_tags(folder: str, split: str, config: S2TDataConfig, dictionary: Dictionary) -> None:
    """Check that the dictionary has a tag for each target language of a split, where targets begin or end with one.

    fairseq fails at an assertion without a message.

    Args:
        folder: the data directory.
        split: the name of the split, whose manifest exists.
        config: the configuration of the data.
        dictionary: the dictionary of the targets.

    Raises:
        ValueError: the manifest does not name the languages, or the dictionary lacks a tag.
    """
    keys = ("prepend_tgt_lang_tag", "prepend_bos_and_append_tgt_lang_tag")
    used = next((key for key in keys if getattr(config, key)), None)
    if used is None:
        return
    path = Path(folder) / f"{split}.tsv"
    with open(path, encoding="utf-8", newline="") as file:
        languages = {row.get("tgt_lang") for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    if not all(languages):
        raise ValueError(f"{path}: lacks the column tgt_lang, or a value in it; {used} needs each target's language")
    tags = sorted(SpeechToTextDataset.LANG_TAG_TEMPLATE.format(language) for language in languages)
    missing = [tag for tag in tags if tag not in dictionary]
    if missing:
        raise ValueError(
            f"{Path(folder) / config.vocab_filename}: lacks the language tags {', '.join(missing)}, which {used} puts "
            f"into the targets of {split}"
        )


def _check_features(utterance: str, audio: str, config: S2TDataConfig) -> None:
    """Read the features of one utterance, and compare their size with the configuration's."""
    raw = config.use_audio_input
    try:
        shape = get_features_or_waveform(audio, need_waveform=raw).shape
    except Exception as error:  # fairseq and its readers of audio files raise several kinds
        raise ValueError(f"{utterance}: cannot read {audio}: {brief(error)}") from error
    expected = config.input_feat_per_channel * config.input_channels
    if not raw and shape[-1] != expected:
        raise ValueError(
            f"{utterance}: has {shape[-1]} features per frame; expected {expected}, the configuration's "
            "input_feat_per_channel"
        )
