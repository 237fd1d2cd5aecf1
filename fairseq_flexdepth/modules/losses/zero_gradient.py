"""Zero gradients for parameters that an update does not use."""

from typing import Any, Sequence, Tuple

import torch
from torch import Tensor


class _ZeroGradient(torch.autograd.Function):
    """The identity function; its backward pass gives the unused tensors zero gradients."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, *unused: Tensor) -> Tensor:
        ctx.unused = unused
        return output.clone()  # no view: fairseq multiplies the loss of a dummy batch by 0 in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tuple[Tensor, ...]:
        return (gradient, *(torch.zeros_like(tensor) for tensor in ctx.unused))


def with_zero_gradients(output: Tensor, unused: Sequence[Tensor]) -> Tensor:
    """A copy of *output* whose backward pass also gives the *unused* tensors a gradient of zero.

    A parameter without a gradient is skipped by Adam on one process, while legacy DDP fills in zeros and decays its
    moments; torch's DDP waits for gradients that never come. A computed tensor passes its zeros on to the
    parameters that it was computed from.

    Args:
        output: the loss, or a tensor that the loss is computed from.
        unused: parameters or computed tensors; frozen ones are ignored.

    Returns:
        *output* itself if there is nothing to do.
    """
    trained = [tensor for tensor in unused if tensor.requires_grad]
    return _ZeroGradient.apply(output, *trained) if trained and output.requires_grad else output
