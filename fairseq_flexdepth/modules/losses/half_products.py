"""Matrix products of gradients in half precision, before the loss scale has lifted them to where float16 is exact."""

from typing import Optional

import torch
from torch import Tensor

HIGHEST = 2.0**15  # what a scaled product reaches at most; float16 holds up to 2¹⁶
LOWEST = 1e-30  # sums below count as this much: their scale stays finite


def add_product(total: Tensor, left: Tensor, right: Tensor, room: Optional[Tensor] = None) -> None:
    """``total += left · right``, multiplied in the precision of *right*.

    float16 holds 2⁻²⁴ to 2¹⁶. Gradients of improbable words, or of losses that count little, are smaller, and the sum
    over many rows may be larger. So each row of *left* is first multiplied by a power of two: the largest one by which
    no sum of products exceeds 2¹⁵. The power is taken out of the product in single precision.

    Args:
        total: n × m, in single precision.
        left: n × k, in single precision.
        right: k × m.
        room: n × k, in the precision of *right*, to be overwritten with the rounded *left*.
    """
    if right.dtype == torch.float32:
        total.addmm_(left, right)
        return
    room = torch.empty_like(left, dtype=right.dtype) if room is None else room
    if right.dtype != torch.float16:  # bfloat16 has the range of single precision
        total += room.copy_(left) @ right
    else:
        largest = torch.linalg.vector_norm(right, ord=float("inf")).float().clamp(min=1.0)
        sums = torch.linalg.vector_norm(left, ord=1, dim=1, keepdim=True).mul_(largest).clamp_(min=LOWEST)
        powers = sums / torch.frexp(sums).mantissa  # n × 1: of two, just above the sums
        torch.mul(left, HIGHEST / powers, out=room)
        total += (room @ right) * (powers / HIGHEST)
