"""Data of every --dataset-impl gives the same results as data of fairseq's default, mmap."""

import shutil
from pathlib import Path
from typing import Any, Dict, List

import bitarray.util
import numpy
import pytest
from fairseq.data import Dictionary, data_utils, indexed_dataset
from fairseq.data.huffman import HuffmanCodeBuilder, HuffmanMMapIndexedDatasetBuilder

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.files.depth_labels import load_labels
from tests.integration.refusals import DECODING, contents, ours, training


def write_sentences(prefix: Path, impl: str, sentences: Any, dictionary: Dictionary) -> None:
    """Write *sentences* as ``fairseq-preprocess --dataset-impl`` would; huffman needs another builder."""
    if impl == "raw":
        prefix.write_text("".join(f"{dictionary.string(sentence)}\n" for sentence in sentences))
    elif impl == "huffman":
        codes = HuffmanCodeBuilder()
        for word in dictionary.symbols:
            codes.increment(word, 1)
        with HuffmanMMapIndexedDatasetBuilder(str(prefix), codes.build_code()) as builder:
            for sentence in sentences:
                builder.add_item([dictionary[token] for token in sentence.tolist()])
    else:
        builder = indexed_dataset.make_builder(f"{prefix}.bin", impl=impl, vocab_size=len(dictionary))
        for sentence in sentences:
            builder.add_item(sentence)
        builder.finalize(f"{prefix}.idx")


def in_format(data: Path, impl: str, folder: Path) -> Path:
    """Convert the data set *data* to another format."""
    folder.mkdir()
    for language in ("src", "tgt"):
        shutil.copyfile(str(data / f"dict.{language}.txt"), str(folder / f"dict.{language}.txt"))
        dictionary = Dictionary.load(str(folder / f"dict.{language}.txt"))
        for split in ("train", "valid", "test"):
            name = f"{split}.src-tgt.{language}"
            write_sentences(folder / name, impl, data_utils.load_indexed_dataset(str(data / name)), dictionary)
    return folder


def distilled(data: Path, checkpoint: Path, destination: Path, *options: Any) -> Dict[str, bytes]:
    given = (data, "--path", checkpoint, "--dest", destination, "--gen-subset", "valid", *DECODING, *options)
    assert main(["distill", *map(str, given)]) == 0
    found = contents(destination)
    del found["distill.json"]  # it holds checksums of the files
    return found


@pytest.mark.parametrize("impl", ["raw", "lazy", "cached"])
def test_a_distilled_data_set_has_one_format(impl: str, data: Path, teacher: Path, tmp_path: Path) -> None:
    expected = distilled(data, teacher, tmp_path / "expected")
    given = in_format(data, impl, tmp_path / "given")
    (given / "train.src-tgt.weights.npy").write_bytes(b"weights")
    (given / "nothing.src-tgt.src").touch()
    command = ("distill", given, "--path", teacher, "--dest", tmp_path / "found", "--gen-subset", "valid", *DECODING)
    refused = f"{given / 'train.src-tgt.weights.npy'}: not the weights of fairseq-flexdepth distill, or damaged: "
    assert ours(*command, "--dataset-impl", impl).startswith(refused)
    assert not list(tmp_path.glob("found*"))
    numpy.save(str(given / "train.src-tgt.weights.npy"), numpy.ones(200))
    found = distilled(given, teacher, tmp_path / "found", "--dataset-impl", impl)
    assert found.pop("train.src-tgt.weights.npy")
    assert {name: found[name] for name in expected} == expected
    assert all(name.startswith("nothing.") for name in found.keys() - expected.keys())


def test_the_formats_that_a_command_asks_for(data: Path, teacher: Path, tmp_path: Path) -> None:
    raw, cached = (in_format(data, impl, tmp_path / impl) for impl in ("raw", "cached"))
    given = ("--path", teacher, "--dest", tmp_path / "new", *DECODING)
    none = f"DATA {raw}: no split train of src-tgt"
    assert ours("distill", raw, *given) == f"{none}; it has no split at all; its text needs --dataset-impl raw"
    asked = "in the format of --dataset-impl fasta; it has no split at all"
    assert ours("distill", raw, *given, "--dataset-impl", "fasta") == f"{none} {asked}"
    for impl in ("mmap", "huffman", "fasta"):
        other = f"{cached / 'train.src-tgt.src.idx'}: is not in the format of --dataset-impl {impl}; leave the option"
        if impl != "huffman":  # huffman has a third file
            assert ours("distill", cached, *given, "--dataset-impl", impl).startswith(other)
    index = cached / "test.src-tgt.tgt.idx"
    shutil.copyfile(str(data / index.name), str(index))
    assert f"{index.with_suffix('.bin')}: has" in ours("distill", cached, *given)
    assert f"{index}: is not in the format of --dataset-impl lazy" in ours(
        "distill", cached, *given, "--dataset-impl", "lazy"
    )
    source = data / "test.src-tgt.src.idx"
    swept = ours("sweep", data, "--path", teacher, "--output", tmp_path / "new", *DECODING, "--dataset-impl", "lazy")
    assert swept == f"{source}: is not in the format of --dataset-impl lazy; leave the option out"
    assert not list(tmp_path.glob("new*"))
    line = training(data, tmp_path / "model", "--dataset-impl", "cached")
    assert line.endswith("valid.src-tgt.src.idx: is not in the format of --dataset-impl cached; leave the option out")
    line = training(data, tmp_path / "model", "--dataset-impl", "raw")
    assert line.endswith(
        "no split valid of src-tgt in the format of --dataset-impl raw; it has test, train, valid"
    )


def test_labels_of_text(data: Path, teacher: Path, tmp_path: Path) -> None:
    raw = in_format(data, "raw", tmp_path / "raw")
    for folder, options in ((data, ()), (raw, ("--dataset-impl", "raw"))):
        given = (folder, "--path", teacher, "--gen-subset", "valid", "--output", tmp_path / f"of-{folder.name}")
        assert main(["oracle", *map(str, (*given, *DECODING, *options))]) == 0
    expected, found = (load_labels(str(tmp_path / f"of-{folder.name}"), "valid", "") for folder in (data, raw))
    numpy.testing.assert_array_equal(found.scores, expected.scores)
    assert found.record["source"] == expected.record["source"]
    (raw / "valid.src-tgt.tgt").write_text("\n" * 20)
    assert "no sentence can be labelled" in ours(
        "oracle", raw, "--path", teacher, "--gen-subset", "valid", "--output", tmp_path / "none", *DECODING,
        "--dataset-impl", "raw",
    )  # fmt: skip
    assert not list((tmp_path / "none").glob("*"))


def test_huffman_codes(data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fairseq decodes them with a function that newer versions of bitarray lack."""
    huffman = in_format(data, "huffman", tmp_path / "huffman")
    monkeypatch.delattr(bitarray.util, "rindex", raising=False)
    given = ("--path", teacher, "--dest", tmp_path / "new", *DECODING)
    assert ours("distill", huffman, *given).startswith(
        f"{huffman / 'train.src-tgt.src.bin'}: cannot be read as --dataset-impl huffman: module 'bitarray.util' has no"
    )
    assert not list(tmp_path.glob("new*"))

    def last(bits: Any, value: int) -> int:
        return len(bits) - 1 - bits[::-1].index(value)

    monkeypatch.setattr(bitarray.util, "rindex", last, raising=False)
    distilled(huffman, teacher, tmp_path / "new")

    def tokens(folder: Path) -> List[List[int]]:
        dataset: Any = data_utils.load_indexed_dataset(str(folder / "train.src-tgt.tgt"))
        return [dataset[index].tolist() for index in range(len(dataset))]

    assert tokens(tmp_path / "new") == tokens(huffman)
    assert not list((tmp_path / "new").glob("*.vocab"))
