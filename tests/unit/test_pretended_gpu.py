"""The pretended GPU itself: it refuses what a GPU refuses, and counts what makes the host wait."""

from collections import Counter
from typing import Any, Callable

import pytest
import torch
from torch import nn

from tests.pretended_gpu import GPU, PretendedTensor, pretended_gpu, to_cpu, to_gpu


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, away: here + away,
        lambda here, away: away + here,
        lambda here, away: torch.cat([here, away]),
        lambda here, away: here.add_(away),
        lambda here, away: away.add_(here.sum()),
        lambda here, away: nn.functional.linear(here, away.expand(3, 3)),
    ],
)
def test_mixing_devices_raises(mix: Callable[..., Any]) -> None:
    with pretended_gpu(), pytest.raises(RuntimeError, match="a CPU tensor .* among tensors on cuda:0"):
        mix(to_gpu(torch.ones(3)), torch.ones(3))


def test_a_number_on_the_cpu_may_join() -> None:
    with pretended_gpu() as watch:
        assert (to_gpu(torch.ones(3)) * torch.tensor(2.0)).sum().item() == 6
    assert sum(watch.waits.values()) == 1


@pytest.mark.parametrize(
    ("work", "waits"),
    [
        (lambda x: x.item(), 1),
        (lambda x: bool(x > 0), 1),
        (lambda x: x.expand(3).tolist(), 1),
        (lambda x: x.expand(3).nonzero(), 1),
        (lambda x: x.expand(3)[x.expand(3) > 0], 1),
        (lambda x: x.cpu(), 1),
        (lambda x: torch.ones(3).cuda(), 1),
        (lambda x: x.new_tensor([1.0, 2.0]), 1),
        (lambda x: torch.tensor([1.0], device=x.device), 1),
        (lambda x: torch.cuda.synchronize(), 1),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), 0),
        (lambda x: torch.zeros(3, device=x.device), 0),
        (lambda x: x.expand(3)[torch.zeros(2, dtype=torch.long, device=x.device)], 0),
        (lambda x: torch.where(x > 0, x, torch.zeros_like(x)).view(1, 1), 0),
    ],
)
def test_waits_are_counted(work: Callable[..., Any], waits: int) -> None:
    with pretended_gpu() as watch:
        work(to_gpu(torch.tensor(1.0)))
    assert sum(watch.waits.values()) == waits


def test_kernels_are_counted_and_views_are_not() -> None:
    with pretended_gpu() as watch:
        x = torch.ones(2, 3, device="cuda")
        (x.t().reshape(6).view(2, 3)[:, 1:] + 1).sum()
    assert watch.kernels == Counter(ones=1, clone=1, add=1, sum=1)


def test_gradients_are_those_of_the_cpu() -> None:
    torch.manual_seed(1)
    module, x = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 1)), torch.randn(5, 3)
    module(x).sum().backward()
    expected = [parameter.grad for parameter in module.parameters()]
    with pretended_gpu():
        moved = module.cuda()
        moved.zero_grad()
        moved(to_gpu(x)).sum().backward()
        for parameter, gradient in zip(moved.parameters(), expected):
            assert parameter.device == parameter.grad.device == GPU
            assert torch.equal(to_cpu(parameter.grad), gradient)


def test_a_module_keeps_what_it_shares() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    with pretended_gpu():
        module = nn.ModuleList([first, second]).to("cuda")
    assert len(list(module.parameters())) == 3
    assert isinstance(first.weight, PretendedTensor) and first.weight is second.weight


def test_nothing_is_computed_outside() -> None:
    with pretended_gpu():
        x = to_gpu(torch.ones(3))
    with pytest.raises(AssertionError, match="outside of pretended_gpu"):
        x + 1
