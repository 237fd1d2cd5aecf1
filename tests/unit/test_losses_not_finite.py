"""The log names the depths whose loss is not finite, once the device has come to it."""

import logging
from types import SimpleNamespace
from typing import Any, List

import pytest
import torch

from tests import device_cases
from tests.device_cases import Case

ONLY_AT_2 = "update 0: the loss at depth 1-2, 2-2 is not finite"


@pytest.fixture(params=["tied_multi_cross_entropy", "accumulate_depths", "word_kd"])
def case(request: Any) -> Case:
    """One whose second decoder layer, which runs at depths n-2 alone, holds a NaN."""
    case = device_cases.translation(request.param)
    case.optimizer = SimpleNamespace(backward=lambda loss: loss.backward())
    with torch.no_grad():
        case.model.decoder.layers[1].fc2.weight[0, 0] = float("nan")
    return case


def step(case: Case, update: int) -> None:
    case.task.train_step(case.sample, case.model, case.criterion, case.optimizer, update)


def warnings(caplog: pytest.LogCaptureFixture) -> List[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_they_are_named_before_the_next_update(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    step(case, 0)
    assert not warnings(caplog)
    case.model.zero_grad(set_to_none=True)
    step(case, 1)
    assert warnings(caplog) == [ONLY_AT_2]


def test_the_first_batch_of_an_update_is_not_forgotten(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    weight = case.model.decoder.layers[1].fc2.weight
    step(case, 0)
    with torch.no_grad():
        weight[0, 0] = 0
    step(case, 0)
    assert not warnings(caplog)  # nobody waits between the batches of an update
    case.model.zero_grad(set_to_none=True)
    for update in (1, 2):
        step(case, update)
        case.model.zero_grad(set_to_none=True)
    assert warnings(caplog) == [ONLY_AT_2]


def test_fairseq_repeats_an_update_whose_gradients_are_not_finite(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    step(case, 0)
    case.model.zero_grad(set_to_none=True)
    step(case, 0)
    assert warnings(caplog) == [ONLY_AT_2]
