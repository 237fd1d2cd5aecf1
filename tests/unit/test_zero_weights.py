"""Batches whose sentences all have the weight 0: a loss of 0, zero gradients, and a log without NaN."""

import pytest
import torch
from fairseq.logging import metrics

from fairseq_flexdepth.criterions.logged_sums import logged_sums
from fairseq_flexdepth.modules.losses.attention_map import attention_loss
from fairseq_flexdepth.modules.losses.layer_fusion import StudentProjection, TeacherFusion
from fairseq_flexdepth.modules.losses.token_weights import counted_positions, weighted_mean
from tests import device_cases

UNDERFLOWING = 1e-60  # 0 in single precision


@pytest.mark.parametrize("weight", [0.0, UNDERFLOWING])
@pytest.mark.parametrize("criterion", device_cases.TRANSLATION)
def test_every_criterion(criterion: str, weight: float) -> None:
    case = device_cases.translation(criterion)
    case.sample["sentence_weights"] = torch.full((3,), weight).double()
    loss, sample_size, logged = case.criterion(case.model, case.sample)
    loss.backward()
    assert loss.item() == 0 and sample_size == 0
    for part in (case.model, case.criterion):
        for name, parameter in part.named_parameters():
            assert parameter.grad is None or not parameter.grad.any(), name
    with metrics.aggregate(new_root=True) as aggregated:
        case.criterion.reduce_metrics([logged])
    values = aggregated.get_smoothed_values()
    assert {values[key] for key in values if key != "ppl"} == {0} and values["ppl"] == 1


@pytest.mark.parametrize("kind", [TeacherFusion, StudentProjection])
def test_fusions(kind: type) -> None:
    fusion, student = kind(4, 5, 2), torch.randn(3, 2, 4, requires_grad=True)
    teacher = [torch.randn(3, 2, 5), torch.randn(3, 2, 5)]
    loss = fusion(student, teacher, counted_positions(torch.zeros(2, 3)), torch.tensor(0.0))
    loss.backward()
    assert loss.item() == 0 and not student.grad.any()
    assert all(not parameter.grad.any() for parameter in fusion.parameters())


def test_attention_maps() -> None:
    student = torch.randn(2, 3, 3, requires_grad=True)
    loss = attention_loss(student, torch.randn(2, 3, 3), torch.zeros(2, 3))
    loss.backward()
    assert loss.item() == 0 and not student.grad.any()


def test_a_mean_of_few_weights_is_exact() -> None:
    weights = torch.tensor([1e-30, 3e-30])
    assert weighted_mean(torch.tensor([4.0, 8.0]), weights).item() == pytest.approx(7.0)


def test_sums_of_numbers_and_of_tensors() -> None:
    sums = logged_sums([{"a": 1, "b": torch.tensor(2.0)}, {"a": torch.tensor(3.5), "b": torch.tensor(0.25), "c": 4}])
    assert (sums["a"], sums["b"], sums["c"], sums["not logged"]) == (4.5, 2.25, 4, 0)
    assert logged_sums([])["loss"] == 0
