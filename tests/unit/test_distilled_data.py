"""Filtered sources in the order of the data, and the files copied to the distilled data set."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fairseq_flexdepth.corpus.distilled_data import DistilledSplit, carry_over
from fairseq_flexdepth.corpus.hypothesis_filter import FilteredSource


@pytest.fixture
def distilled() -> DistilledSplit:
    split = DistilledSplit(5)
    split.add(FilteredSource(3, None, [[7, 2], [8, 9, 2]], [0.75, 0.25]))
    split.add(FilteredSource(0, None, [[4, 5, 2]], []))
    split.add(FilteredSource(2, "ratio", [], []))
    split.add(FilteredSource(4, "unknown", [], []))
    return split


def test_pairs_come_in_the_order_of_the_data(distilled: DistilledSplit) -> None:
    pairs = [(pair.source, pair.target.tolist(), pair.weight) for pair in distilled]
    assert pairs == [(0, [4, 5, 2], 1.0), (3, [7, 2], 0.75), (3, [8, 9, 2], 0.25)]
    assert len(distilled) == 3


def test_every_source_is_counted_and_one_never_decoded_was_too_long(distilled: DistilledSplit) -> None:
    assert distilled.kept == 2
    assert distilled.dropped == {"length": 1, "ratio": 1, "empty": 0, "unknown": 1}


def test_dictionaries_and_other_splits_are_carried_over_under_the_direction_asked_for(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "folder"
    data.mkdir()
    folder.mkdir()
    carried = {
        "dict.de.txt": "dict.de.txt",
        "dict.en.txt": "dict.en.txt",
        "valid.en-de.de.bin": "valid.de-en.de.bin",
        "valid1.de-en.en.idx": "valid1.de-en.en.idx",
        "test.de-en.de.bin": "test.de-en.de.bin",
        "test.align.de-en.bin": "test.align.de-en.bin",
        "train_extra.de-en.de.bin": "train_extra.de-en.de.bin",
        "train2014.de-en.de.bin": "train2014.de-en.de.bin",  # no part: there is no train2
    }
    left = ["train.de-en.de.bin", "train1.en-de.de.bin", "train.align.de-en.bin", "preprocess.log", "test.en-de.de.bin"]
    for name in (*carried, *left):
        (data / name).write_text(name)
    split: Any = SimpleNamespace(
        task=SimpleNamespace(
            options=SimpleNamespace(source_lang="de", target_lang="en", dataset_impl=None),
            source_dictionary=None,
            target_dictionary=None,
        ),
        cfg=SimpleNamespace(task=SimpleNamespace(data=str(data)), dataset=SimpleNamespace(gen_subset="train")),
    )
    carry_over(str(folder), split, combined=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {new: old for old, new in carried.items()}
