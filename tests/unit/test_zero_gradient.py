"""Zero gradients for parameters that an update does not use."""

import torch
from torch import nn

from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients


def parameters():
    return nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([[3.0]])), nn.Parameter(torch.ones(2))


def test_the_loss_and_its_gradient_stay_as_they_are():
    used, *unused = parameters()
    plain = (used**2).sum()
    loss = with_zero_gradients(plain, unused)
    assert torch.equal(loss, plain)
    (3 * loss).backward()
    assert torch.equal(used.grad, 6 * used)


def test_unused_parameters_get_gradients_of_zero_and_frozen_ones_none():
    used, unused, frozen = parameters()
    frozen.requires_grad_(False)
    with_zero_gradients(used.sum(), [unused, frozen]).backward()
    assert torch.equal(unused.grad, torch.zeros(1, 1))
    assert frozen.grad is None


def test_a_gradient_that_is_there_is_kept():
    used, unused, _ = parameters()
    unused.grad = torch.tensor([[7.0]])
    with_zero_gradients(used.sum(), [unused]).backward()
    assert torch.equal(unused.grad, torch.tensor([[7.0]]))


def test_the_loss_may_be_changed_in_place():
    used, unused, _ = parameters()
    loss = with_zero_gradients(used.sum(), [unused])
    loss *= 0  # fairseq's dummy batch
    loss.backward()
    assert torch.equal(used.grad, torch.zeros(2))
    assert torch.equal(unused.grad, torch.zeros(1, 1))


def test_adam_treats_them_like_any_gradient_of_zero():
    used, unused, _ = parameters()
    optimizer = torch.optim.Adam([used, unused], lr=0.1)
    unused.grad, used.grad = torch.ones(1, 1), torch.ones(2)
    optimizer.step()
    optimizer.zero_grad()
    before = unused.item()
    with_zero_gradients(used.sum(), [unused]).backward()
    optimizer.step()
    assert unused.item() != before  # its momentum goes on


def test_with_nothing_unused_the_loss_itself_comes_back():
    used, unused, frozen = parameters()
    loss = used.sum()
    assert with_zero_gradients(loss, []) is loss
    assert with_zero_gradients(loss, [frozen.requires_grad_(False)]) is loss
    with torch.no_grad():
        loss = used.sum()
    assert with_zero_gradients(loss, [unused]) is loss
