"""Copies between host and device that do not wait, or, where the host has to wait, that wait once."""

from typing import Any, List, Sequence

import torch
from torch import Tensor


def on_device_of(like: Tensor, values: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    """*values*, a list or an array of any dimensions, as a tensor on the device of *like*, copied without waiting."""
    return torch.as_tensor(values, dtype=dtype).to(like.device, non_blocking=True)


def lists_of(tensors: Sequence[Tensor]) -> List[List[Any]]:
    """The elements of one-dimensional *tensors* of any lengths, copied from the device all at once."""
    if not tensors:
        return []
    flat = torch.cat(list(tensors)).tolist()  # the elements of all tensors: the only wait
    ends = torch.tensor([len(tensor) for tensor in tensors]).cumsum(0).tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends)]
