"""The chunked projection and loss against fairseq's ``label_smoothed_nll_loss`` on plain logits."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from torch import Tensor

from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from tests.half_precision import HALF_TYPES, multiplies

ROWS, CHANNELS, CLASSES = 11, 6, 13


class Case(NamedTuple):
    features: Tensor
    weight: Tensor
    target: Tensor
    row_weights: Tensor

    def to(self, dtype):
        return Case(
            self.features.detach().to(dtype).requires_grad_(),
            self.weight.detach().to(dtype).requires_grad_(),
            self.target,
            self.row_weights,
        )


def random_case(rows=ROWS, spread=1.0, classes=CLASSES):
    generator = torch.Generator().manual_seed(2)
    return Case(
        (spread * torch.randn(rows, CHANNELS, generator=generator)).requires_grad_(),
        torch.randn(classes, CHANNELS, generator=generator).requires_grad_(),
        torch.randint(classes, (rows,), generator=generator),
        torch.rand(rows, generator=generator),
    )


def fused(case, epsilon, accuracy=True):
    return linear_cross_entropy(FeatureRows(*case), epsilon, accuracy=accuracy)


def reference(case, epsilon):
    """Fairseq's own loss and accuracy; log-probabilities at least in single precision, as fairseq takes them."""
    logits = case.features @ case.weight.t()
    precision = torch.float64 if logits.dtype == torch.float64 else torch.float32
    lprobs = F.log_softmax(logits, dim=-1, dtype=precision)
    row_losses, row_nll_losses = label_smoothed_nll_loss(lprobs, case.target, epsilon, reduce=False)
    correct = lprobs.argmax(1).eq(case.target).to(precision)
    return (row_losses * case.row_weights).sum(), row_losses, row_nll_losses, correct


def exact(case, epsilon, scale=1.0):
    """The reference in double precision: loss, rows' losses, gradients of features and weight."""
    double = case.to(torch.float64)
    results = reference(double, epsilon)
    (scale * results[0]).backward()
    return [value.detach() for value in results], [double.features.grad, double.weight.grad]


def assert_equals_reference(case, epsilon, compute=fused, tolerance=1e-5):
    values, gradients = exact(case, epsilon, scale=2.5)
    result = compute(case, epsilon)
    (2.5 * result.loss).backward()
    for ours, theirs in zip((*result, case.features.grad, case.weight.grad), values + gradients):
        assert ours.dtype == torch.float32
        assert torch.allclose(ours.double(), theirs, rtol=tolerance, atol=tolerance * theirs.abs().max().item())


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("chunk_rows", [1, 3, 5, ROWS, 100])
def test_values_and_gradients_equal_fairseqs(epsilon, chunk_rows, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", chunk_rows * CLASSES + 1)
    assert_equals_reference(random_case(), epsilon)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("classes", [5, 250_000])
def test_tiny_and_huge_vocabularies(classes, epsilon):
    # Seven rows' gradients are differences of sums over the vocabulary: fairseq's own are no nearer to the exact ones.
    assert_equals_reference(random_case(rows=7, classes=classes), epsilon, tolerance=1e-4)


def test_a_vocabulary_larger_than_a_chunk_goes_row_by_row(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", CLASSES - 1)
    assert_equals_reference(random_case(), 0.1)


def test_no_more_than_a_chunk_of_logits_is_held(monkeypatch):
    sizes = []
    mm = torch.mm

    def spy(left, right, out):
        sizes.append(out.numel())
        return mm(left, right, out=out)

    monkeypatch.setattr(chunks.torch, "mm", spy)
    monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", 4 * CLASSES)
    fused(random_case(), 0.1).loss.backward()
    assert sizes == [4 * CLASSES, 4 * CLASSES, 3 * CLASSES]


def test_without_smoothing_it_is_plain_cross_entropy():
    case = random_case()
    result = fused(case, 0.0)
    expected = F.cross_entropy(case.features @ case.weight.t(), case.target, reduction="none")
    assert torch.allclose(result.row_losses, expected)
    assert torch.equal(result.row_losses, result.row_nll_losses)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_huge_logits_stay_finite(epsilon):
    case = random_case(spread=3e4)
    assert (case.features @ case.weight.t()).abs().max() > 1e5
    assert_equals_reference(case, epsilon)


def test_rows_of_weight_0_give_no_gradient():
    case = random_case()
    case.row_weights[::2] = 0
    fused(case, 0.1).loss.backward()
    assert case.features.grad[::2].abs().max() == 0
    assert case.features.grad[1::2].abs().min() > 0


def test_rows_need_not_lie_side_by_side_in_memory():
    case = random_case()
    strided = case.features.detach().t().contiguous().t().requires_grad_()
    assert_equals_reference(case._replace(features=strided), 0.1)


def test_a_step_along_the_gradient_changes_the_loss_as_it_says():
    case = random_case()
    fused(case, 0.1).loss.backward()
    generator = torch.Generator().manual_seed(3)  # a direction in which the loss does change
    direction = [torch.randn(tensor.shape, generator=generator) for tensor in case[:2]]

    def loss_after(step):
        moved = [tensor.detach() + step * change for tensor, change in zip(case[:2], direction)]
        return fused(Case(*moved, *case[2:]), 0.1).loss.item()

    predicted = sum((tensor.grad * change).sum().item() for tensor, change in zip(case[:2], direction))
    assert (loss_after(1e-2) - loss_after(-1e-2)) / 2e-2 == pytest.approx(predicted, rel=1e-2)


def test_no_rows_give_a_loss_of_0():
    case = random_case(rows=0)
    result = fused(case, 0.1)
    assert result.loss == 0
    result.loss.backward()
    assert case.features.grad.shape == (0, CHANNELS)
    assert torch.equal(case.weight.grad, torch.zeros(CLASSES, CHANNELS))


@pytest.mark.parametrize("frozen", ["features", "weight"])
def test_the_gradient_of_what_is_frozen_is_not_computed(frozen):
    case = random_case()
    getattr(case, frozen).requires_grad_(False)
    trained = "weight" if frozen == "features" else "features"
    _, gradients = exact(case, 0.1)
    loss = fused(case, 0.1).loss
    formed = dict(zip(("features", "weight"), loss.grad_fn.gradients))
    assert formed[frozen] is None
    loss.backward()
    assert getattr(case, frozen).grad is None
    expected = dict(zip(("features", "weight"), gradients))[trained]
    assert torch.allclose(getattr(case, trained).grad.double(), expected, atol=1e-5)


def test_without_grad_no_gradient_is_computed():
    case = random_case()
    expected = fused(case, 0.1)
    with torch.no_grad():
        result = fused(case, 0.1)
    assert not result.loss.requires_grad
    for ours, theirs in zip(result, expected):
        assert torch.equal(ours, theirs)


def test_only_the_loss_carries_a_gradient():
    result = fused(random_case(), 0.1)
    assert [value.requires_grad for value in result] == [True, False, False, False]


def test_accuracy_changes_nothing_else():
    with_it, without = random_case(), random_case()
    results = fused(with_it, 0.1), fused(without, 0.1, accuracy=False)
    assert results[1].row_correct is None
    assert all(torch.equal(one, other) for one, other in zip(results[0][:3], results[1]))
    for result in results:
        result.loss.backward()
    assert torch.equal(with_it.features.grad, without.features.grad)
    assert torch.equal(with_it.weight.grad, without.weight.grad)


def test_a_second_backward_pass_is_refused():
    loss = fused(random_case(), 0.1).loss
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="were used up by an earlier backward"):
        loss.backward()


def distance(values, exact_values):
    """The relative distance of each value from the exact one."""
    return [((value.double() - target).norm() / target.norm()).item() for value, target in zip(values, exact_values)]


@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize("loss_scale", [1.0, 1024.0])
@pytest.mark.parametrize("spread", [1.0, 20.0])  # unsure of the target, and sure of it
def test_half_precision_is_as_near_to_the_exact_result_as_fairseqs(dtype, loss_scale, spread):
    case = random_case(rows=60, spread=spread).to(dtype)
    if spread > 1:  # what a trained model sees: nearly all the probability on the target
        case = case._replace(target=(case.features @ case.weight.t()).argmax(dim=1))
    values, gradients = exact(case, 0.1, loss_scale)

    plain = case.to(dtype)
    loss, *_ = reference(plain, 0.1)
    (loss_scale * loss).backward()
    theirs = distance((loss, plain.features.grad, plain.weight.grad), (values[0], *gradients))
    assert max(theirs) < (0.02 if spread == 1 else 0.2)  # the comparison means something, on any CPU

    loss = fused(case, 0.1).loss
    (loss_scale * loss).backward()
    assert (case.features.grad.dtype, case.weight.grad.dtype, loss.dtype) == (dtype, dtype, torch.float32)
    ours = distance((loss, case.features.grad, case.weight.grad), (values[0], *gradients))
    for our, their in zip(ours, theirs):
        assert our <= 1.5 * their + 1e-3


@pytest.mark.parametrize("dtype", HALF_TYPES)
@pytest.mark.parametrize("row_weight", [1 / 36, 1e-4])
@pytest.mark.parametrize("loss_scale", [128.0, 2.0**16])
def test_loss_scaling_keeps_small_gradients_from_vanishing_and_adds_no_overflow(dtype, row_weight, loss_scale):
    case = random_case().to(dtype)._replace(row_weights=torch.full((ROWS,), row_weight))
    _, gradients = exact(case, 0.1, loss_scale)
    (loss_scale * fused(case, 0.1).loss).backward()
    assert max(distance((case.features.grad, case.weight.grad), gradients)) < 0.01


@pytest.mark.skipif(not multiplies(torch.float16), reason="no product of torch.float16 on this torch's CPU")
def test_under_autocast_it_projects_in_half_precision_and_hands_back_single():
    case, halved = random_case(), random_case().to(torch.float16)
    _, gradients = exact(random_case(), 0.1)
    before = torch.is_autocast_enabled()
    torch.set_autocast_enabled(True)  # a machine without a GPU cannot enter torch.autocast("cuda")
    try:
        result = fused(case, 0.1)
    finally:
        torch.set_autocast_enabled(before)
    result.loss.backward()
    assert torch.equal(result.loss, fused(halved, 0.1).loss)
    assert (case.features.grad.dtype, case.weight.grad.dtype) == (torch.float32, torch.float32)
    assert max(distance((case.features.grad, case.weight.grad), gradients)) < 0.01
