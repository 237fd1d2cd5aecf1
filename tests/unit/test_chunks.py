"""Chunks of rows, and the examples in the docstrings of the losses."""

import doctest
import importlib
from types import ModuleType

import pytest
import torch

from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows, row_chunks, rows_per_chunk
from fairseq_flexdepth.modules.losses.soft_targets import soft_targets
from fairseq_flexdepth.modules.losses.token_weights import counted_positions

WITH_EXAMPLES = ("distilled_cross_entropy", "layer_fusion", "linear_cross_entropy", "soft_targets")

CPU = torch.device("cpu")


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 6, 7])
def test_chunks_cover_all_rows_once(rows: int, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SMALL_CHUNK_ELEMENTS" if small else "CHUNK_ELEMENTS", 29)
    found = [list(range(rows))[place] for place in row_chunks(rows, 10, CPU, small)]
    assert [len(part) for part in found] == [2] * (rows // 2) + [1] * (rows % 2)
    assert sum(found, []) == list(range(rows))


def test_a_row_longer_than_a_chunk_is_a_chunk_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 29)
    assert rows_per_chunk(3, 30, CPU) == 1
    assert list(row_chunks(2, 30, CPU)) == [slice(0, 1), slice(1, 2)]


def test_a_gpu_takes_larger_chunks() -> None:
    words, gpu = 2**15, torch.device("cuda")
    assert [rows_per_chunk(10**9, words, device) for device in (CPU, gpu)] == [2**10, 2**12]
    assert [rows_per_chunk(10**9, words, device, small=True) for device in (CPU, gpu)] == [2**5, 2**10]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings(name: str) -> None:
    module: ModuleType = importlib.import_module(f"fairseq_flexdepth.modules.losses.{name}")
    ours = (FeatureRows, counted_positions, soft_targets)
    names = {"torch": torch, **{one.__name__: one for one in ours}}
    result = doctest.testmod(module, extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0
