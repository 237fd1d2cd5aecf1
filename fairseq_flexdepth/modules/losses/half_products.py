"""Matrix products of gradients in half precision, exact for gradients too small for float16 before loss scaling."""

from typing import Optional

import torch
from torch import Tensor

HIGHEST = 2.0**15  # upper bound of a scaled product; float16 holds up to 2¹⁶
LOWEST = 1e-30  # lower bound of the sums, which keeps their scale finite


def add_product(total: Tensor, left: Tensor, right: Tensor, room: Optional[Tensor] = None) -> None:
    """``total += left · right``, multiplied in the precision of *right*.

    float16 holds 2⁻²⁴ to 2¹⁶. Gradients of improbable words, or of losses with a small weight, are smaller, and the sum
    over many rows may be larger. So each row of *left* is first multiplied by a power of two: the largest power for
    which no sum of products exceeds 2¹⁵. The product is divided by it in single precision.

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
        # |Σ_k left · right| ≤ Σ_k |left| · max |right|, the largest that a product of the row can be.
        largest = torch.linalg.vector_norm(right, ord=float("inf")).float().clamp(min=1.0)
        sums = torch.linalg.vector_norm(left, ord=1, dim=1, keepdim=True).mul_(largest).clamp_(min=LOWEST)
        powers = sums / torch.frexp(sums).mantissa  # n × 1: powers of two, just above the sums
        torch.mul(left, HIGHEST / powers, out=room)  # n × k, rounded to float16
        total += (room @ right) * (powers / HIGHEST)  # n × m, scaled back in single precision
