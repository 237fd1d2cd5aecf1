"""The loss scale and the single-precision copies that fairseq's optimizers for half precision keep."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq.optim.dynamic_loss_scaler import DynamicLossScaler
from fairseq.optim.fp16_optimizer import FP16Optimizer

from fairseq_flexdepth.models.mixed_precision import loss_scale, refresh_fp32_copies
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX
from tests import tiny

NET_INPUT = tiny.sample([6, 2, 4], [3, 7, 5])["net_input"]


@pytest.mark.parametrize("flat", [True, False])
def test_the_optimizers_single_precision_copies_follow(flat):
    halves = [torch.nn.Parameter(torch.randn(3, 2).half()), torch.nn.Parameter(torch.ones(4).half())]
    if flat:  # as fairseq keeps them: one vector a device
        copies: Any = {None: torch.nn.Parameter(torch.zeros(10))}
    else:
        copies = [torch.nn.Parameter(torch.zeros(3, 2)), torch.nn.Parameter(torch.zeros(4))]
    optimizer = SimpleNamespace(fp16_params=halves, fp32_params=copies)
    with torch.no_grad():
        halves[1].fill_(2.5)
    refresh_fp32_copies(optimizer)
    merged = copies[None] if flat else torch.cat([copy.view(-1) for copy in copies])
    assert torch.equal(merged, torch.cat([half.view(-1) for half in halves]).float())


def test_fairseqs_fp16_optimizer_keeps_the_scales_that_profiling_set():
    model = tiny.flexible_model(residual_init="admin").bfloat16()
    parameters = list(model.parameters())
    copies = FP16Optimizer.build_fp32_params(None, parameters, flatten=False)
    model.profile_residuals(NET_INPUT)
    changed = [not torch.equal(parameter.float(), copy) for parameter, copy in zip(parameters, copies)]
    scales = [name for name, _ in model.named_parameters() if name.endswith(SCALE_SUFFIX)]
    assert sum(changed) == len(scales) - 2  # the first of each stack stays 1
    refresh_fp32_copies(SimpleNamespace(fp16_params=parameters, fp32_params=copies))
    for (name, parameter), copy in zip(model.named_parameters(), copies):
        assert torch.equal(parameter.float(), copy), name


def test_an_optimizer_without_copies_is_left_alone():
    refresh_fp32_copies(SimpleNamespace(params=[]))


def test_the_loss_scale_of_fairseqs_optimizers():
    fp16 = SimpleNamespace(scaler=DynamicLossScaler(init_scale=64.0))
    amp = SimpleNamespace(scaler=SimpleNamespace(get_scale=lambda: 32.0))
    assert [loss_scale(optimizer) for optimizer in (fp16, amp)] == [64, 32]
    assert loss_scale(SimpleNamespace(scaler=None)) == loss_scale(SimpleNamespace()) == 1
