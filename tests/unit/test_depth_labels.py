"""Labels of depth pairs: ties, [dabre2020] Eq. 1, missing labels and labels of other data."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from fairseq_flexdepth.depth.supported_depths import from_fastest
from fairseq_flexdepth.files.checksums import dictionary_checksum, source_checksum
from fairseq_flexdepth.files.depth_labels import DepthLabels, check_labels, labels_file, load_labels
from tests.tiny import dictionary

PAIRS = [(1, 1), (1, 2), (2, 1), (2, 2)]
SOURCE = [torch.tensor([5, 6, 2]), torch.tensor([7, 2]), torch.tensor([2])]
NONE = float("nan")


def labels(**record: Any) -> DepthLabels:
    scores = numpy.array([[10.0, 40.0, 40.0, 40.0], [5.0, 30.0, 20.0, 30.0], [NONE] * 4])
    made = {"source": source_checksum(SOURCE), "dictionary": dictionary_checksum(dictionary(9)), **record}
    return DepthLabels(PAIRS, scores, numpy.array([1.0, 2.0, 1.5, 4.0]), made)


def test_equation_1_counts_decoder_layers_first() -> None:
    every = [(n, m) for n in (1, 2, 3) for m in (1, 2, 3)]
    order = [every[position] for position in from_fastest(every)]
    assert sorted(order) == every
    for a, b in itertools.combinations(order, 2):
        assert a[1] < b[1] or (a[1] == b[1] and a[0] < b[0])


def test_ties_are_kept_and_the_oracle_takes_the_fastest() -> None:
    assert labels().best.tolist() == [[False, True, True, True], [False, True, False, True], [False] * 4]
    assert [PAIRS[pair] for pair in labels().oracle] == [(2, 1), (1, 2), (2, 2)]
    assert labels().labelled.tolist() == [True, True, False]


def test_relative_seconds_are_in_proportion_to_the_deepest() -> None:
    assert labels().relative_seconds.tolist() == [0.25, 0.5, 0.375, 1.0]


def test_labels_are_loaded_as_saved(tmp_path: Path) -> None:
    labels(metric="chrf").save(labels_file(str(tmp_path), "train"))
    loaded = load_labels(str(tmp_path), "train", "--depth-selector oracle:x")
    numpy.testing.assert_array_equal(loaded.scores, labels().scores)
    assert loaded.pairs == PAIRS
    assert loaded.record["metric"] == "chrf"
    with numpy.load(labels_file(str(tmp_path), "train")) as archive:  # for readers without this package
        assert archive["best"].tolist() == labels().best.tolist()
        assert archive["oracle"].tolist() == labels().oracle.tolist()
        assert json.loads(str(archive["record"]))["metric"] == "chrf"
    assert [path.name for path in tmp_path.iterdir()] == ["train.labels.npz"]


def test_missing_labels_list_the_existing_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^DATA: .*test.labels.npz: no such file, it has no labels at all"):
        load_labels(str(tmp_path), "test", "DATA")
    labels().save(labels_file(str(tmp_path), "train"))
    with pytest.raises(ValueError, match=r"it has labels of train; .*oracle --gen-subset test"):
        load_labels(str(tmp_path), "test", "DATA")


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = Path(labels_file(str(tmp_path), "train"))
    labels().save(str(path))
    path.write_bytes({"cut": path.read_bytes()[:200], "text": b"nothing\n", "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"train.labels.npz: not the labels of fairseq-flexdepth oracle, or damaged"):
        load_labels(str(tmp_path), "train", "DATA")


def test_labels_of_other_data_are_refused() -> None:
    check_labels(labels(), "L", SOURCE, dictionary(9))
    with pytest.raises(ValueError, match="L: labels of 3 sentences; the data has 2"):
        check_labels(labels(), "L", SOURCE[:2])
    with pytest.raises(ValueError, match="L: made for source sentences that differ from DATA's"):
        check_labels(labels(), "L", [SOURCE[1], SOURCE[0], SOURCE[2]])
    with pytest.raises(ValueError, match="L: made with a source dictionary that differs from DATA's"):
        check_labels(labels(), "L", SOURCE, dictionary(10))
