"""Gradients in half precision are as good as stock fairseq's, for every word and every row."""

from typing import Iterator

import pytest
import torch

from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.half_products import add_product
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from tests.half_precision import HALF_TYPES, OBJECTIVES, SCALES, WORDS, Setting, our_errors, peer_errors, settings


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 20 * WORDS)


def worse_than_stock(dtype: torch.dtype, setting: Setting) -> Iterator[str]:
    """Gradients of words and rows with more than twice stock's error, if that is more than a last cast alone makes."""
    _, mixture, row_weights, scale = setting
    rounding = torch.finfo(dtype).eps / 2
    theirs, ours = peer_errors(dtype, row_weights, mixture, scale), our_errors(dtype, setting)
    for name, their, our in zip(theirs._fields, theirs, ours):
        for row in (our > 2 * their.clamp(min=rounding)).nonzero().view(-1).tolist():
            yield f"{setting}: {name} {row}: {our[row]:.2g}, stock's {their[row]:.2g}"


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_no_word_and_no_row_is_further_off_than_twice_stocks(dtype: torch.dtype, objective: str) -> None:
    scales = SCALES if dtype == torch.float16 else SCALES[:1]  # a power of two changes no digit of a bfloat16
    found = [line for setting in settings(objective, scales) for line in worse_than_stock(dtype, setting)]
    assert not found, "\n".join(found[:10])


@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_a_word_that_dominates_a_chunk_does_not_overflow(dtype: torch.dtype) -> None:
    rows, words = 400, 7
    features = torch.full((rows, 3), 400.0, dtype=dtype, requires_grad=True)
    weight = torch.zeros(words, 3, dtype=dtype, requires_grad=True)
    row_weights = torch.full((rows,), 1e-3)
    feature_rows = FeatureRows(features, weight, torch.zeros(rows, dtype=torch.long), row_weights)
    linear_cross_entropy(feature_rows, 0.0).loss.backward()
    assert weight.grad is not None
    assert torch.allclose(weight.grad[0].float(), torch.tensor(-400 * 400 * 1e-3 * (1 - 1 / words)), rtol=0.01)


@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_a_product_keeps_rows_of_any_size(dtype: torch.dtype) -> None:
    sizes = torch.tensor([[1e-20], [1e-9], [0.0], [1.0], [1e7]])
    right = torch.ones(3000, 4, dtype=dtype)
    total = torch.ones(5, 4)
    add_product(total, sizes.expand(5, 3000), right)
    assert torch.allclose(total, 1 + 3000 * sizes.expand(5, 4), rtol=0.01)
    total.zero_()
    add_product(total, sizes.expand(5, 3000).t().contiguous().t(), right)
    assert torch.allclose(total, 3000 * sizes.expand(5, 4), rtol=0.01, atol=0)


def test_in_single_precision_a_product_is_torchs() -> None:
    left, right = torch.rand(4, 5), torch.rand(5, 6)
    total = torch.ones(4, 6)
    add_product(total, left, right)
    assert torch.allclose(total, 1 + left @ right)


@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_what_is_no_number_stays_none(dtype: torch.dtype) -> None:
    """fairseq's optimizer skips the update by it."""
    total = torch.zeros(2, 2)
    add_product(total, torch.tensor([[float("inf"), 0.0], [float("nan"), 0.0]]), torch.ones(2, 2, dtype=dtype))
    assert not total.isfinite().any()
