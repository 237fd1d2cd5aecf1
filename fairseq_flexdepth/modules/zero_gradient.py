"""Zero gradients for parameters that an update leaves out."""

from typing import Any, Sequence, Tuple

import torch
from torch import Tensor, nn


class _ZeroGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, *parameters: Tensor) -> Tensor:
        ctx.parameters = parameters
        return loss.clone()  # no view: fairseq multiplies the loss of a dummy batch by 0 in place

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> Tuple[Tensor, ...]:
        return (grad_loss, *(torch.zeros_like(parameter) for parameter in ctx.parameters))


def with_zero_gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """*loss*, whose backward pass also gives *parameters* a gradient of zero.

    Without a gradient Adam would skip them on one process, while legacy DDP fills in zeros and decays their moments;
    and torch's DDP would wait for gradients that never come.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    return _ZeroGradient.apply(loss, *trained) if trained and loss.requires_grad else loss
