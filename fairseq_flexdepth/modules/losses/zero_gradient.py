"""Zero gradients for parameters that an update does not use."""

from typing import Any, Sequence, Tuple

import torch
from torch import Tensor


class _ZeroGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, *unused: Tensor) -> Tensor:
        ctx.unused = unused
        return output.clone()  # no view: fairseq multiplies the loss of a dummy batch by 0 in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, ...]:
        return (gradient, *(torch.zeros_like(tensor) for tensor in ctx.unused))


def with_zero_gradients(output: Tensor, unused: Sequence[Tensor]) -> Tensor:
    """*output*, a loss or what leads to it, whose backward pass also gives *unused* a gradient of zero.

    Without a gradient Adam would skip a parameter on one process, while legacy DDP fills in zeros and decays its
    moments; and torch's DDP would wait for gradients that never come. An unused tensor that was computed hands its
    zeros on to the parameters it was computed from.
    """
    trained = [tensor for tensor in unused if tensor.requires_grad]
    return _ZeroGradient.apply(output, *trained) if trained and output.requires_grad else output
