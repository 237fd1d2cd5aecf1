"""Copies between the host and the device that do not make one wait for the other, or all at once where one must."""

from typing import Any, List, Sequence

import torch
from torch import Tensor


def on_device_of(like: Tensor, values: Sequence[float]) -> Tensor:
    """*values* in single precision, on the device of *like*, without waiting for what the device has yet to do."""
    return torch.tensor(values, dtype=torch.float32).to(like.device, non_blocking=True)


def lists_of(tensors: Sequence[Tensor]) -> List[List[Any]]:
    """One-dimensional *tensors* of any lengths as lists, fetched from the device all at once."""
    if not tensors:
        return []
    flat = torch.cat(list(tensors)).tolist()
    ends = torch.tensor([len(tensor) for tensor in tensors]).cumsum(0).tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends)]
