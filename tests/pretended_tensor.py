"""Tensors that Python and autograd take for ``cuda:0``, and the mode that computes with them; see ``pretended_gpu``."""

import sys
from collections import Counter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

import pytest
import torch
from torch import Tensor

if not hasattr(torch._C, "_set_only_lift_cpu_tensors"):
    pytest.skip("torch before 2 cannot pretend a GPU", allow_module_level=True)

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402  (torch 1.12 has another)

from recipes.benchmarks.operations import WITHOUT_KERNEL  # noqa: E402

GPU = torch.device("cuda:0")
# Operations whose result, or its size, is known only when the device has computed it.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim", "unique_consecutive"}
COPYING = {"copy_", "_to_copy"}
TAKES_CPU_NUMBERS = {"where", "masked_fill", "masked_fill_", "fill_", "index_put_"}  # as pointwise operations do


class PretendedTensor(torch.Tensor):
    """A CPU tensor that C++ takes for a meta tensor of its shape, and Python for a tensor on ``cuda:0``."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> "PretendedTensor":
        layout = {"strides": held.stride(), "dtype": held.dtype, "storage_offset": held.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, device="meta", **layout)
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        raise NotImplementedError("a pretended tensor cannot get other data: convert the model before it moves")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __format__(self, form: str) -> str:
        return format(self.item(), form)

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu() first")

    def new_tensor(self, data: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype, device=GPU)

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_index(index), value)

    @classmethod
    def __torch_dispatch__(cls, op: Any, *_: Any) -> Any:
        raise AssertionError(f"{op} outside of pretended_gpu()")


class Watch(TorchDispatchMode):
    """Compute with pretended tensors, refuse operations that a GPU refuses, and count waits and kernels.

    ``waits`` counts by operation and line, ``kernels`` by operation, without views.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Reset the counts to 0."""
        self.waits: Dict[Tuple[str, str], int] = Counter()
        self.kernels: Dict[str, int] = Counter()

    def wait(self, name: str) -> None:
        """Count a wait of the host for the device."""
        self.waits[name, _line()] += 1

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, op._schema.name.split("::")[1]
        given = [*_leaves(args), *_leaves(kwargs.values())]
        here = [one for one in given if isinstance(one, PretendedTensor)]
        away = [one for one in given if isinstance(one, Tensor) and not isinstance(one, PretendedTensor)]
        on_gpu = _result_on_gpu(name, args, kwargs, here)
        if name in COPYING:
            crosses = bool(here and away) or (name == "_to_copy" and bool(here) != on_gpu)
            if crosses and not _non_blocking(args, kwargs):
                self.wait(name)
        elif here:
            _check_devices(op, name, args, away)
            if name in WAITING or _indexes_by_mask(name, args):
                self.wait(name)
        if on_gpu and name not in WITHOUT_KERNEL and not getattr(op, "is_view", False):
            self.kernels[name] += 1
        result = op(*mapped(unwrapped, args), **{key: mapped(unwrapped, value) for key, value in kwargs.items()})
        if not on_gpu:
            return result
        known = {id(one.held): one for one in here}  # what an operation in place returns stays the same object
        return mapped(lambda one: known[id(one)] if id(one) in known else wrapped(one), result)


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    """The elements of *values*, and of the lists and tuples in it."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _leaves(value)
        else:
            yield value


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Apply the function to everything in *value*: in lists, tuples, named tuples and dictionaries."""
    if isinstance(value, dict):
        return {key: mapped(change, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        changed = [mapped(change, one) for one in value]
        return type(value)(*changed) if hasattr(value, "_fields") else type(value)(changed)
    return change(value)


def unwrapped(value: Any) -> Any:
    if isinstance(value, PretendedTensor):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _result_on_gpu(name: str, args: Any, kwargs: Any, here: List[Tensor]) -> bool:
    if name == "copy_":
        return isinstance(args[0], PretendedTensor)
    asked = kwargs.get("device")  # "meta" where C++ copies a pretended tensor's device
    return bool(here) if asked is None else asked.type != "cpu"


def _non_blocking(args: Any, kwargs: Any) -> bool:
    return bool(kwargs.get("non_blocking", args[2] if len(args) > 2 else False))


def _check_devices(op: Any, name: str, args: Any, away: List[Tensor]) -> None:
    for tensor in away:
        number = tensor.dim() == 0 and (torch.Tag.pointwise in op.tags or name in TAKES_CPU_NUMBERS)
        if not number or (op._schema.is_mutable and tensor is args[0]):
            raise RuntimeError(f"{op}: a CPU tensor {tuple(tensor.shape)} among tensors on {GPU}")


def _indexes_by_mask(name: str, args: Any) -> bool:
    return name.startswith("index") and any(
        getattr(one, "dtype", None) == torch.bool for one in _leaves(args[1:2])
    )


def _index(index: Any) -> Any:
    """An index with its lists turned into tensors: C++ would turn them into meta tensors, which have no values."""
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    return torch.tensor(index, device=GPU) if isinstance(index, list) else index


def _line() -> str:
    """The module and line that is running, of fairseq, this package or its tests."""
    frame: Any = sys._getframe(2)
    while frame.f_back is not None and not _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__')}:{frame.f_lineno}"


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in ("fairseq", "fairseq_cli", "fairseq_flexdepth", "tests") and module != __name__


def wrapped(value: Any) -> Any:
    pretended = not isinstance(value, Tensor) or isinstance(value, PretendedTensor)
    return value if pretended else PretendedTensor(value.detach())
