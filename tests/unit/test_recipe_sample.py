"""A random sample of a training set: the same pairs from text and from binarised data."""

import sys
from pathlib import Path
from typing import List

import pytest
from fairseq.data import Dictionary, data_utils, indexed_dataset

from recipes.common import sample


def corpus(folder: Path, pairs: int) -> None:
    """Write pairs of one source word each; the target has one more word."""
    folder.mkdir()
    for language, more in (("de", ""), ("en", " x")):
        for split in ("train", "valid"):
            lines = [f"w{number}{more}" for number in range(pairs)]
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines))


def binarise(text: Path, folder: Path) -> List[Dictionary]:
    folder.mkdir()
    dictionaries = []
    for language in ("de", "en"):
        dictionary = Dictionary()
        lines = (text / f"train.{language}").read_text().splitlines()
        rows = [dictionary.encode_line(line, append_eos=True, add_if_not_exist=True).long() for line in lines]
        prefix = str(folder / f"train.de-en.{language}")
        builder = indexed_dataset.make_builder(f"{prefix}.bin", impl="mmap", vocab_size=len(dictionary))
        for row in rows:
            builder.add_item(row)
        builder.finalize(f"{prefix}.idx")
        dictionary.save(str(folder / f"dict.{language}.txt"))
        dictionaries.append(dictionary)
    return dictionaries


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["sample", *map(str, arguments)])
    sample.main()


def test_the_same_pairs_of_text_and_of_binarised_data(tmp_path, monkeypatch):
    text, binarised = tmp_path / "text", tmp_path / "bin"
    corpus(text, 50)
    dictionaries = binarise(text, binarised)
    for kind, source in (("text", text), ("binarised", binarised)):
        for _ in range(2):  # what is there is replaced
            run(monkeypatch, kind, source, tmp_path / f"part-{kind}", "de", "en", "--sentences", 20)
    lines = [(tmp_path / "part-text" / f"train.{language}").read_text().splitlines() for language in ("de", "en")]
    assert len(set(lines[0])) == 20 and lines[0] == sorted(lines[0], key=lambda word: int(word[1:]))
    assert lines[1] == [f"{word} x" for word in lines[0]]
    assert (tmp_path / "part-text" / "valid.en").read_text() == (text / "valid.en").read_text()
    for language, dictionary, expected in zip(("de", "en"), dictionaries, lines):
        prefix = str(tmp_path / "part-binarised" / f"train.de-en.{language}")
        rows = data_utils.load_indexed_dataset(prefix, None, dataset_impl="mmap")
        assert [dictionary.string(row) for row in rows] == expected
        assert (tmp_path / "part-binarised" / f"dict.{language}.txt").is_file()


def test_mistakes_leave_nothing(tmp_path, monkeypatch):
    corpus(tmp_path / "text", 5)
    with pytest.raises(ValueError, match="--sentences 6: expected 1 to 5, the size of the training set"):
        run(monkeypatch, "text", tmp_path / "text", tmp_path / "part", "de", "en", "--sentences", 6)
    (tmp_path / "text" / "train.en").write_text("one\n")
    with pytest.raises(ValueError, match="train.de has 5 lines, train.en 1"):
        run(monkeypatch, "text", tmp_path / "text", tmp_path / "part", "de", "en", "--sentences", 1)
    assert not (tmp_path / "part").exists()
