"""``--loss-backend compiled`` meets the bounds of the eager chunk: against double precision, per word and per row."""

import logging
from typing import Any, List, Tuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture
from fairseq_flexdepth.modules.losses.linear_cross_entropy import (
    BACKENDS,
    CHOICES,
    check_backend,
    chosen_backend,
    linear_cross_entropy,
)
from tests import half_precision, tiny
from tests.half_precision import HALF_TYPES, SCALES, WORDS, Problem, settings
from tests.unit.test_half_precision import worse_than_stock
from tests.unit.test_linear_cross_entropy import Case, assert_equals_reference, exact, random_case

COMPILES = pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch before 2 compiles nothing")


def compiled(case: Case, epsilon: float) -> Tuple[Tensor, ...]:
    return linear_cross_entropy(FeatureRows(*case), epsilon, "compiled", accuracy=True)


@COMPILES
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 1.0])
def test_compiled_values_and_gradients(epsilon: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 20 * WORDS)
    assert_equals_reference(random_case(rows=60), epsilon, compiled)  # in one chunk
    assert_equals_reference(random_case(rows=400, spread=3e4), epsilon, compiled)  # chunks of 184 and the rest
    assert_equals_reference(random_case(rows=61, classes=5), epsilon, compiled)
    assert_equals_reference(random_case(rows=61, classes=251), epsilon, compiled, tolerance=1e-4)  # of 9, then 7 rows


@COMPILES
def test_compiled_rows_of_weight_0_and_frozen_tensors() -> None:
    case = random_case(rows=60)
    case.row_weights[::2] = 0
    assert_equals_reference(case, 0.1, compiled)
    assert case.features.grad is not None
    assert case.features.grad[::2].abs().max() == 0
    for frozen, trained in ((0, 1), (1, 0)):
        case = random_case(rows=60)
        _, gradients = exact(case, 0.1)
        case[frozen].requires_grad_(False)
        loss: Any = compiled(case, 0.1)[0]
        assert loss.grad_fn.gradients[frozen] is None
        loss.backward()
        assert torch.allclose(case[trained].grad.double(), gradients[trained], atol=1e-5)


@COMPILES
@pytest.mark.parametrize("dtype", HALF_TYPES)
def test_compiled_no_word_and_no_row_is_further_off_than_twice_stocks(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 20 * WORDS)

    def loss(features: Tensor, weight: Tensor, problem: Problem, mixture: Mixture) -> Tensor:
        rows = FeatureRows(features, weight, problem.target, problem.row_weights)
        return linear_cross_entropy(rows, mixture.label_smoothing, "compiled").loss * mixture.hard

    monkeypatch.setitem(half_precision.OBJECTIVES, "compiled", loss)
    every = settings("cross-entropy", SCALES if dtype == torch.float16 else SCALES[:1])
    found = [line for one in every for line in worse_than_stock(dtype, one._replace(objective="compiled"))]
    assert not found, "\n".join(found[:10])


def test_a_torch_that_compiles_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "compile", raising=False)
    for backend in ("auto", "eager"):
        check_backend(backend)
    with pytest.raises(ValueError, match="--loss-backend compiled: needs torch 2 or newer, this is .*; use eager"):
        check_backend("compiled")


def test_the_choice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    chosen_backend.cache_clear()
    with caplog.at_level(logging.INFO, "fairseq_flexdepth"):
        for _ in range(2):
            linear_cross_entropy(FeatureRows(*random_case()), 0.1)
    logged = [record.getMessage() for record in caplog.records]
    assert logged == ["loss: --loss-backend eager on cpu, logits in float32"]


@COMPILES
def test_the_option_chooses_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: List[Any] = []

    def compiled_chunk(*chunk: Any) -> Tensor:
        seen.append(chunk)
        return BACKENDS["eager"](*chunk)

    monkeypatch.setitem(BACKENDS, "compiled", compiled_chunk)
    found = []
    for backend in CHOICES:
        config = TiedMultiCrossEntropyConfig(loss_backend=backend, sentence_avg=False, seed=1)
        criterion = TiedMultiCrossEntropyCriterion(tiny.task(), config)
        found.append(criterion(tiny.flexible_model(seed=1), tiny.sample([6, 4], [3, 7]))[0].item())
    assert found == [found[0]] * len(CHOICES)
    assert len(seen) == 1
    message = "--loss-backend compiled: expected auto or eager with --criterion word_kd"
    with pytest.raises(ValueError, match=message):
        WordKDCriterion(tiny.task(), WordKDConfig(loss_backend="compiled", teacher_path="a.pt"))


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="torch before 2.13 has no such function")
def test_torchs_own_loss_holds_all_logits_where_labels_are_smoothed() -> None:
    """And it returns one number per row. When torch smooths in chunks, it may serve as a backend."""
    features, weight, target, _ = random_case()
    functions: Any = F  # older torch's types know neither the function nor its options
    modules: Any = torch.nn
    with pytest.warns(UserWarning, match="chunked path needs .* label_smoothing == 0"):
        losses = functions.linear_cross_entropy(
            features, weight, target, label_smoothing=0.1, reduction="none", options=modules.LinearCrossEntropyOptions()
        )
    assert losses.shape == target.shape
