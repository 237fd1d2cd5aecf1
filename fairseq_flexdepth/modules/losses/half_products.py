"""Matrix products of gradients in half precision, exact for gradients too small for float16 before loss scaling.

torch 2.13 can hand back such products in single precision (``torch.mm(..., out_dtype=torch.float32)``), on CUDA alone.
That is not used: no test on a CPU could show that it is right.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

HIGHEST = 2.0**15  # upper bound of a scaled product; float16 holds up to 2¹⁶
LOWEST = 1e-30  # lower bound of the sums, which keeps their scale finite
Rounded = Tuple[Tensor, Optional[Tensor]]  # the result of rounded()


def add_product(total: Tensor, left: Tensor, right: Tensor, room: Optional[Tensor] = None) -> None:
    """``total += left · right``, multiplied in the precision of *right*.

    Args:
        total: n × m, in single precision.
        left: n × k, in single precision, or in the precision of *right*.
        right: k × m.
        room: n × k, in the precision of *right*, to be overwritten with the rounded *left*.
    """
    if right.dtype == torch.float32:
        total.addmm_(left, right)
    else:
        add_rounded_product(total, rounded(left, right, room), right)


def rounded(left: Tensor, right: Tensor, room: Optional[Tensor] = None) -> Rounded:
    """Round *left* to the precision of *right*, with which it is to be multiplied; for arguments see above.

    float16 holds 2⁻²⁴ to 2¹⁶. Gradients of improbable words, or of losses with a small weight, are smaller, and the sum
    over many rows may be larger. So each row of *left* is first multiplied by a power of two: the largest power for
    which no sum of products exceeds 2¹⁵. The product is to be divided by it in single precision.

    Returns:
        The rounded *left*, n × k, and the factors of the product's rows, n × 1, or ``None`` if all are 1.
    """
    if left.dtype == right.dtype:
        return left, None
    if right.dtype == torch.bfloat16:  # has the range of single precision
        return left.to(right.dtype) if room is None else room.copy_(left), None
    # |Σ_k left · right| ≤ Σ_k |left| · max |right|, the largest that a product of the row can be.
    largest = torch.linalg.vector_norm(right, ord=float("inf")).float().clamp(min=1.0)
    sums = torch.linalg.vector_norm(left, ord=1, dim=1, keepdim=True).mul_(largest).clamp_(min=LOWEST)
    powers = sums / torch.frexp(sums).mantissa  # n × 1: powers of two, just above the sums
    scales = HIGHEST / powers
    # n × k, rounded to float16
    scaled = (left * scales).to(right.dtype) if room is None else torch.mul(left, scales, out=room)
    return scaled, powers / HIGHEST


def add_rounded_product(total: Tensor, left: Rounded, right: Tensor) -> None:
    """``total += (left · right) · factors``, for what :func:`rounded` returns."""
    values, factors = left
    product = values @ right  # n × m
    total += product if factors is None else product * factors  # scaled back in single precision
