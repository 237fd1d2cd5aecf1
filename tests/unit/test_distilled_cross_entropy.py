"""The mixture of cross-entropy and distillation against its formula, written with autograd."""

from typing import Tuple

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import (
    DistilledCrossEntropy,
    Mixture,
    distilled_cross_entropy,
    distilled_linear_cross_entropy,
)
from fairseq_flexdepth.modules.losses.soft_targets import soft_targets

ROWS, CHANNELS, WORDS = 7, 5, 11
MIXTURES = [
    Mixture(0.5, 0.5),
    Mixture(0.5, 0.5, label_smoothing=0.1),
    Mixture(0.0, 1.0, label_smoothing=0.1, temperature=2.0),
    Mixture(0.2, 0.1, label_smoothing=0.1, temperature=0.7),
    Mixture(1.0, 0.0, label_smoothing=0.2),
]

mixtures = pytest.mark.parametrize("mixture", MIXTURES, ids=str)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 3 * WORDS)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


TARGET = torch.tensor([0, 3, 10, 3, 5, 1, 7])
ROW_WEIGHTS = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0, 1.0, 0.25])
TEACHER_LOGITS = 2 * random(ROWS, WORDS, seed=5)


def reference(logits: torch.Tensor, mixture: Mixture, teacher: torch.Tensor) -> Tuple[torch.Tensor, ...]:
    """Every row's mixture, negative log-likelihood and soft loss, by the definitions."""
    temperature = mixture.temperature
    hard, nll = label_smoothed_nll_loss(
        torch.log_softmax(logits, dim=1), TARGET, mixture.label_smoothing, ignore_index=-1, reduce=False
    )
    q = torch.softmax(teacher / temperature, dim=1)
    soft = -(temperature**2) * (q * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1)
    return mixture.hard * hard.squeeze(1) + mixture.soft * soft, nll.squeeze(1), soft


def assert_rows(found: DistilledCrossEntropy, expected: Tuple[torch.Tensor, ...]) -> None:
    for values, wanted in zip(found[1 : len(expected) + 1], expected):
        assert values is not None
        assert not values.requires_grad
        assert torch.allclose(values, wanted.detach(), rtol=1e-5, atol=1e-6)


@mixtures
def test_values_and_gradient_from_logits(mixture: Mixture) -> None:
    ours = random(ROWS, WORDS, seed=1).requires_grad_()
    plain = ours.detach().clone().requires_grad_()
    found = distilled_cross_entropy(
        ours, TARGET, ROW_WEIGHTS, soft_targets(TEACHER_LOGITS.clone(), mixture.temperature), mixture
    )
    rows = reference(plain, mixture, TEACHER_LOGITS)
    assert_rows(found, rows)
    expected = (rows[0] * ROW_WEIGHTS).sum()
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    (found.loss * 3).backward()
    (expected * 3).backward()
    assert torch.allclose(ours.grad, plain.grad, atol=1e-6)
    assert not ours.grad[2].any()  # a row of weight 0


@mixtures
def test_values_and_gradients_from_features(mixture: Mixture) -> None:
    of_teacher = torch.tensor([6, 5, 4, 3, 2, 1, 0])
    features, weight = random(ROWS, CHANNELS, seed=1), random(WORDS, CHANNELS, seed=2)
    ours = [features.clone().requires_grad_(), weight.clone().requires_grad_()]
    plain = [features.clone().requires_grad_(), weight.clone().requires_grad_()]
    teacher = soft_targets(TEACHER_LOGITS.clone(), mixture.temperature)
    found = distilled_linear_cross_entropy(
        FeatureRows(ours[0], ours[1], TARGET, ROW_WEIGHTS), teacher, of_teacher, mixture, accuracy=True
    )
    logits = plain[0] @ plain[1].t()
    rows = reference(logits, mixture, TEACHER_LOGITS[of_teacher])
    assert_rows(found, (*rows, logits.argmax(dim=1).eq(TARGET).float()))
    (found.loss * 3).backward()
    ((rows[0] * ROW_WEIGHTS).sum() * 3).backward()
    for one, other in zip(ours, plain):
        assert torch.allclose(one.grad, other.grad, atol=1e-5)


@pytest.mark.parametrize("topk", [0, 4])
def test_a_student_that_equals_its_teacher_reaches_the_entropy_and_stays(topk: int) -> None:
    logits = TEACHER_LOGITS.clone().requires_grad_()
    teacher = soft_targets(TEACHER_LOGITS.clone(), topk=topk)
    found = distilled_cross_entropy(logits, TARGET, torch.ones(ROWS), teacher, Mixture(0.0, 1.0))
    q = torch.softmax(TEACHER_LOGITS, dim=1)
    if topk == 0:
        assert found.loss.item() == pytest.approx(-(q * q.log()).sum().item(), rel=1e-5)
    found.loss.backward()
    still = logits.grad.abs().max() < 1e-6
    assert still == (topk == 0)


def test_no_gradient_is_formed_where_none_is_wanted() -> None:
    logits = random(ROWS, WORDS, seed=1).requires_grad_()
    teacher = soft_targets(TEACHER_LOGITS.clone())
    with torch.no_grad():
        found = distilled_cross_entropy(logits, TARGET, ROW_WEIGHTS, teacher, MIXTURES[0])
    assert not found.loss.requires_grad
    assert torch.equal(logits.detach(), random(ROWS, WORDS, seed=1))


def test_gradients_are_used_once() -> None:
    logits = random(ROWS, WORDS, seed=1).requires_grad_()
    found = distilled_cross_entropy(logits, TARGET, ROW_WEIGHTS, soft_targets(TEACHER_LOGITS.clone()), MIXTURES[0])
    found.loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="used up"):
        found.loss.backward()


def test_autocast_does_not_round_the_sums() -> None:
    logits, teacher = random(ROWS, WORDS, seed=1), soft_targets(TEACHER_LOGITS.clone())
    exact = distilled_cross_entropy(logits, TARGET, ROW_WEIGHTS, teacher, MIXTURES[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = distilled_cross_entropy(logits, TARGET, ROW_WEIGHTS, teacher, MIXTURES[1])
    assert torch.equal(cast.row_soft_losses, exact.row_soft_losses)
