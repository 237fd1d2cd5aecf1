"""``--loss-backend compiled`` meets the bounds of the eager chunk: against double precision, per word and per row."""

from typing import Any, List, Tuple

import pytest
import torch
from torch import Tensor

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture
from fairseq_flexdepth.modules.losses.linear_cross_entropy import BACKENDS, check_backend, linear_cross_entropy
from tests import half_precision, tiny
from tests.half_precision import HALF_TYPES, ROW_WEIGHTS, WORDS, Problem, Setting
from tests.unit.test_half_precision import worse_than_stock
from tests.unit.test_linear_cross_entropy import Case, assert_equals_reference, random_case

COMPILES = pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch before 2 compiles nothing")


def compiled(case: Case, epsilon: float) -> Tuple[Tensor, ...]:
    return linear_cross_entropy(FeatureRows(*case), epsilon, "compiled", accuracy=True)


@COMPILES
@pytest.mark.parametrize("dtype", [torch.float32, *HALF_TYPES])
def test_compiled_values_and_gradients(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 20 * WORDS)
    if dtype == torch.float32:
        assert_equals_reference(random_case(rows=60), 0.1, compiled)  # chunks of 60 rows
        assert_equals_reference(random_case(rows=400, spread=3e4), 0.1, compiled)  # of 184 and the rest
        return

    def loss(features: Tensor, weight: Tensor, problem: Problem, mixture: Mixture) -> Tensor:
        rows = FeatureRows(features, weight, problem.target, problem.row_weights)
        return linear_cross_entropy(rows, mixture.label_smoothing, "compiled").loss * mixture.hard

    monkeypatch.setitem(half_precision.OBJECTIVES, "compiled", loss)
    for row_weights in ROW_WEIGHTS:
        for scale in half_precision.SCALES if dtype == torch.float16 else half_precision.SCALES[:1]:
            setting = Setting("compiled", Mixture(1.0, 0.0, 0.1), row_weights, scale)
            assert not list(worse_than_stock(dtype, setting))


def test_a_torch_that_compiles_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "compile", raising=False)
    check_backend("eager")
    with pytest.raises(ValueError, match="--loss-backend compiled: needs torch 2 or newer, this is .*; use eager"):
        check_backend("compiled")


@COMPILES
def test_the_option_chooses_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: List[Any] = []

    def compiled_chunk(*chunk: Any) -> Tensor:
        seen.append(chunk)
        return BACKENDS["eager"](*chunk)

    monkeypatch.setitem(BACKENDS, "compiled", compiled_chunk)
    found = []
    for backend in BACKENDS:
        config = TiedMultiCrossEntropyConfig(loss_backend=backend, sentence_avg=False, seed=1)
        criterion = TiedMultiCrossEntropyCriterion(tiny.task(), config)
        found.append(criterion(tiny.flexible_model(seed=1), tiny.sample([6, 4], [3, 7]))[0].item())
    assert found[0] == found[1]
    assert len(seen) == 1
    message = "--loss-backend compiled: expected eager, the only one of --criterion word_kd"
    with pytest.raises(ValueError, match=message):
        WordKDCriterion(tiny.task(), WordKDConfig(loss_backend="compiled", teacher_path="a.pt"))
