"""Count what torch's operations do, whatever device they run on: FLOP, bytes and kernels."""

from typing import Any, Dict, Iterable, Iterator, NamedTuple, Tuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

WITHOUT_KERNEL = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view"}
_WITHOUT_READING = {"copy_", "fill_", "zero_", "zeros_like", "ones_like", "full_like", "new_zeros", "new_full"}
# These touch some elements of their largest tensor alone.
_INDEXED = {"embedding", "gather", "index", "index_select", "index_add_", "index_put_", "scatter_", "scatter_add_"}


class Device(NamedTuple):
    """The published peaks of a device."""

    flop_per_second: float
    bytes_per_second: float


class Operations(TorchDispatchMode):
    """Counts the operations that run within this context; needs torch 2.

    ``flop`` are those of matrix products, ``moved`` the bytes that kernels read and write, ``seconds`` the time that
    each of *devices* needs at least: per kernel the larger of its arithmetic and its memory traffic at peak.
    """

    def __init__(self, devices: Dict[str, Device]) -> None:
        super().__init__()
        from torch.utils.flop_counter import flop_registry

        self.devices, self._flop_of = devices, flop_registry
        self.flop = self.moved = self.kernels = 0
        self.seconds = dict.fromkeys(devices, 0.0)

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result, name = op(*args, **kwargs), op._schema.name.split("::")[1]
        if name not in WITHOUT_KERNEL and not getattr(op, "is_view", False):
            flop, moved = self._flop(name, args, result), _traffic(name, args, kwargs, result)
            self.flop, self.moved, self.kernels = self.flop + flop, self.moved + moved, self.kernels + 1
            for key, device in self.devices.items():
                self.seconds[key] += max(flop / device.flop_per_second, moved / device.bytes_per_second)
        return result

    def _flop(self, name: str, args: Tuple[Any, ...], result: Any) -> int:
        """torch's own count, which has no operations in place."""
        formula = self._flop_of.get(getattr(torch.ops.aten, name.rstrip("_"), None))
        return 0 if formula is None else int(formula(*args, out_val=result))


def _traffic(name: str, args: Tuple[Any, ...], kwargs: Dict[str, Any], result: Any) -> int:
    """The bytes that an operation reads and writes: its inputs and its outputs."""
    read = _tensors([*args[name in _WITHOUT_READING :], *(value for key, value in kwargs.items() if key != "out")])
    written = _tensors([result])
    if name in _INDEXED:
        every = {one.data_ptr(): _size(one) for one in [*read, *written]}
        touched = sorted(every.values())[:-1]  # and as many bytes of the largest
        return sum(touched) + max(touched, default=0)
    return sum(map(_size, [*read, *written]))


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, Tensor):
            yield value


def _size(tensor: Tensor) -> int:
    """The bytes of a tensor, each once: an expanded one is no larger than its memory."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
