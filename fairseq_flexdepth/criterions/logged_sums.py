"""What data-parallel workers logged, summed."""

from collections import defaultdict
from typing import Any, Dict, Sequence

import torch
from torch import Tensor


def logged_sums(logging_outputs: Sequence[Dict[str, Any]]) -> Dict[str, float]:
    """The sum of every value that was logged, 0 for one that was not; those on the device are fetched all at once.

    Args:
        logging_outputs: each with numbers and scalar tensors, on one device.
    """
    sums: Dict[str, float] = defaultdict(float)
    tensors: Dict[str, Tensor] = {}
    for output in logging_outputs:
        for key, value in output.items():
            if not torch.is_tensor(value):
                sums[key] += value
            else:
                tensors[key] = tensors.get(key, 0.0) + value.double()
    if tensors:
        for key, value in zip(tensors, torch.stack([tensor.reshape(()) for tensor in tensors.values()]).tolist()):
            sums[key] += value
    return sums


def mean(total: float, count: float) -> float:
    """*total* by *count*; 0 where nothing counts, as in a batch whose sentences all have the weight 0."""
    return total / count if count else 0.0
