"""Mistakes in a folder of speech data and in the options of its task: one line each."""

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Dict

import numpy
import pytest
from fairseq.data import Dictionary
from fairseq.data.audio.speech_to_text_dataset import S2TDataConfig
from fairseq.tasks import TASK_REGISTRY

from fairseq_flexdepth.files.speech_data import check_config, check_language_tags, check_manifest
from fairseq_flexdepth.tasks.speech_to_text import FlexDepthSpeechTask
from tests.integration.refusals import ours

HEADER = "id\taudio\tn_frames\ttgt_text"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dict.txt").write_text("a 1\nb 1\n")
    (tmp_path / "config.yaml").write_text("vocab_filename: dict.txt\ninput_feat_per_channel: 4\n")
    numpy.save(str(tmp_path / "u.npy"), numpy.zeros((6, 4), dtype=numpy.float32))
    (tmp_path / "test.tsv").write_text(f"{HEADER}\nu\t{tmp_path / 'u.npy'}\t6\ta b\n")
    return tmp_path


def manifest_error(folder: Path, split: str = "test") -> str:
    with pytest.raises(ValueError, match="test|valid") as caught:
        check_manifest(str(folder), split, S2TDataConfig(folder / "config.yaml"))
    return str(caught.value)


def test_right_data_is_accepted(folder: Path) -> None:
    check_config(str(folder), "config.yaml")
    check_manifest(str(folder), "test", S2TDataConfig(folder / "config.yaml"))
    (folder / "config.yaml").write_text("audio_root: ''\nuse_audio_input: false\ninput_feat_per_channel: 4\n")
    check_config(str(folder), "config.yaml")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "--config-yaml config.yaml: no such file in DATA "),
        ("a: [", "--config-yaml .*config.yaml: cannot be read: "),
        ("vocab_filename: words.txt", ".*config.yaml: vocab_filename names .*words.txt, which does not exist"),
        ("vocab_filename: test.tsv", ".*test.tsv: cannot be read as a dictionary"),
        (
            "bpe_tokenizer: {bpe: sentencepiece, sentencepiece_model: none.model}",
            ".*config.yaml: bpe_tokenizer .*none.model.*: cannot be built: ",
        ),
    ],
)
def test_mistakes_in_the_configuration(folder: Path, config: Any, message: str) -> None:
    (folder / "config.yaml").unlink()
    if config is not None:
        (folder / "config.yaml").write_text(config)
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        check_config(str(folder), "config.yaml")
    assert "\n" not in str(caught.value)


def test_mistakes_in_a_manifest(folder: Path) -> None:
    assert manifest_error(folder, "valid") == f"DATA {folder}: no split valid; it has test"
    path = folder / "test.tsv"
    path.write_text(f"{HEADER}\n")
    assert manifest_error(folder) == f"{path}: has no utterances; expected at least one"
    path.write_text("id,audio,n_frames,tgt_text\n1,2,3,4\n")
    assert manifest_error(folder).startswith(f"{path}: lacks the columns id, audio, n_frames, tgt_text; expected id, ")
    path.write_text(f"{HEADER}\nu\tnone.npy\t6\ta b\n")
    assert manifest_error(folder).startswith(f"{path}: utterance u: cannot read none.npy: ")
    numpy.save(str(folder / "u.npy"), numpy.zeros((6, 5), dtype=numpy.float32))
    path.write_text(f"{HEADER}\nu\t{folder / 'u.npy'}\t6\ta b\n")
    wrong = f"{path}: utterance u: has 5 features per frame; expected 4, the configuration's input_feat_per_channel"
    assert manifest_error(folder) == wrong


def tags_error(folder: Path) -> str:
    config, dictionary = S2TDataConfig(folder / "config.yaml"), Dictionary.load(str(folder / "dict.txt"))
    with pytest.raises(ValueError, match="tgt_lang") as caught:
        check_language_tags(str(folder), "test", config, dictionary)
    return str(caught.value)


@pytest.mark.parametrize("key", ["prepend_tgt_lang_tag", "prepend_bos_and_append_tgt_lang_tag"])
def test_language_tags_missing_from_the_dictionary(folder: Path, key: str) -> None:
    config, manifest = folder / "config.yaml", folder / "test.tsv"
    check_language_tags(str(folder), "test", S2TDataConfig(config), Dictionary.load(str(folder / "dict.txt")))
    config.write_text(f"{config.read_text()}{key}: true\n")
    needs = f"{manifest}: lacks the column tgt_lang, or a value in it; {key} needs each target's language"
    assert tags_error(folder) == needs
    rows = [f"u\tu.npy\t6\ta b\t{language}\n" for language in ("fr", "de", "fr", "it")]
    manifest.write_text("".join([f"{HEADER}\ttgt_lang\n", *rows]))
    (folder / "dict.txt").write_text("a 1\n<lang:de> 1\n")
    lacks = f"{folder / 'dict.txt'}: lacks the language tags <lang:fr>, <lang:it>"
    assert tags_error(folder) == f"{lacks}, which {key} puts into the targets of test"
    (folder / "dict.txt").write_text("<lang:de> 1\n<lang:fr> 1\n<lang:it> 1\n")
    check_language_tags(str(folder), "test", S2TDataConfig(config), Dictionary.load(str(folder / "dict.txt")))


REFUSED: Dict[str, str] = {
    "--depth-selector x.pt": "selectors read words, which speech has not",
    "--selector-threshold 0.5": "selectors read words, which speech has not",
    "--fast-greedy": "our greedy search decodes translations only",
    "--draft-dec-layers 1": "our greedy search decodes translations only",
    "--draft-tokens 3": "our greedy search decodes translations only",
    "--draft-vocabulary 9": "our greedy search decodes translations only",
}


@pytest.mark.parametrize("option", REFUSED)
def test_options_that_speech_has_not(option: str) -> None:
    assert TASK_REGISTRY["speech_to_text"] is FlexDepthSpeechTask
    parser = ArgumentParser()
    FlexDepthSpeechTask.add_args(parser)
    expected = f"{option}: {REFUSED[option]}; leave it out with --task speech_to_text"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        parser.parse_args(["data", *option.split()])


def test_mistakes_of_the_commands(folder: Path, tmp_path: Path) -> None:
    speech = ("--task", "speech_to_text")
    for command, place in (("oracle", "--output"), ("distill", "--dest")):
        line = ours(command, folder, *speech, "--path", "none.pt", place, tmp_path / "new")
        assert line.startswith(f"--task speech_to_text: {command} takes translation, ")
        assert line.endswith("; speech has no source words")
    for options, line in (
        (("--scoring", "bleu"), "--scoring bleu: expected sacrebleu, which computes BLEU and chrF, or wer; leave"),
        (("--path", "none.pt"), "--path none.pt: no such file"),
        (("--fast-greedy",), "--fast-greedy: our greedy search decodes translations only; leave it out with --task "),
    ):
        assert ours("sweep", folder, *speech, "--output", tmp_path / "new", *options).startswith(line)
    assert not (tmp_path / "new").exists()
