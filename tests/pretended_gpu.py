"""A pretended GPU: tensors that Python and autograd take for ``cuda:0``, computed on the CPU.

Within :func:`pretended_gpu` an operation that mixes CPU and GPU tensors raises, as on a GPU, and every wait of the host
for the device is counted with the line that waits. It needs torch 2; an older one skips the test that imports this.

It cannot show the speed, rounding and memory of a real GPU, nor autocast, nor operations that a GPU does not have.
"""

from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Iterator
from unittest import mock

import torch
from torch import Tensor, nn

from tests.pretended_tensor import GPU, PretendedTensor, Watch, mapped, unwrapped, wrapped

__all__ = ["GPU", "PretendedTensor", "Watch", "pretended_gpu", "to_cpu", "to_gpu"]


@contextmanager
def pretended_gpu() -> Iterator[Watch]:
    """Within this context there is a GPU, for ``.cuda()``, ``.to("cuda")`` and what :func:`to_gpu` moves."""
    watch = Watch()
    with ExitStack() as stack:
        cuda: Dict[str, Any] = {
            "_lazy_init": lambda: None,
            "is_available": lambda: True,
            "current_device": lambda: GPU,
            "set_device": lambda device: None,
            "get_rng_state": lambda: torch.empty(0),
            "set_rng_state": lambda state: None,
            "manual_seed": lambda seed: None,
            "get_device_name": lambda *_: "pretended",
            "synchronize": lambda *_: watch.wait("synchronize"),
        }
        stack.enter_context(mock.patch.multiple(torch.cuda, **cuda))
        stack.enter_context(mock.patch.object(torch.Tensor, "cuda", _tensor_cuda))
        stack.enter_context(mock.patch.object(nn.Module, "cuda", lambda module, *_: to_gpu(module)))
        stack.enter_context(mock.patch.object(nn.Module, "to", _module_to(nn.Module.to)))
        torch._C._set_only_lift_cpu_tensors(True)  # or torch.tensor(..., device="cuda") would bypass the watch
        stack.callback(torch._C._set_only_lift_cpu_tensors, False)
        stack.enter_context(watch)
        yield watch


def _tensor_cuda(tensor: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    return tensor.to(GPU, non_blocking=non_blocking)


def _module_to(stock: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def to(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        device, dtype, non_blocking, _ = torch._C._nn._parse_to(*args, **kwargs)
        if device is None or device.type == "cpu":
            return stock(module, *args, **kwargs)
        if dtype is not None and any(parameter.dtype != dtype for parameter in module.parameters()):
            stock(module, dtype=dtype)
        return to_gpu(module)

    return to


def to_gpu(thing: Any) -> Any:
    """Move a module in place, or the tensors of a batch; nothing is counted. Shared parameters stay shared."""
    if not isinstance(thing, nn.Module):
        return mapped(wrapped, thing)
    parameters: Dict[int, nn.Parameter] = {}
    for module in thing.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                if id(parameter) not in parameters:
                    parameters[id(parameter)] = nn.Parameter(wrapped(parameter), parameter.requires_grad)
                module._parameters[name] = parameters[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = wrapped(buffer)
    return thing


def to_cpu(thing: Any) -> Any:
    """Replace the pretended tensors in *thing* by the CPU tensors that they hold; nothing is counted."""
    return mapped(unwrapped, thing)
