"""fairseq's optimizers for half precision: their loss scale and their single-precision copies of the parameters."""

from typing import Any, List, Tuple

from torch import Tensor


def loss_scale(optimizer: Any) -> float:
    """The factor by which *optimizer* will multiply the next loss with ``--fp16`` or ``--amp``; otherwise 1."""
    scaler = getattr(optimizer, "scaler", None)
    if scaler is None:
        return 1.0
    # --fp16 has fairseq's scaler, --amp has torch's.
    return float(scaler.loss_scale if hasattr(scaler, "loss_scale") else scaler.get_scale())


def fp32_copies(optimizer: Any) -> List[Tuple[Tensor, Tensor]]:
    """Pairs of a model parameter and the single-precision copy that fairseq's fp16 optimizer has of it.

    A copy has the shape of its parameter and shares the optimizer's memory: writing to it changes the optimizer's copy.
    The list is empty for optimizers that update the parameters themselves, such as fairseq's memory-efficient one.
    """
    copies = getattr(optimizer, "fp32_params", None)
    if copies is None:
        return []
    if not isinstance(copies, dict):
        return [(parameter, copy.data) for parameter, copy in zip(optimizer.fp16_params, copies)]
    pairs: List[Tuple[Tensor, Tensor]] = []
    for device, flat in copies.items():  # one flat tensor per device
        own = [parameter for parameter in optimizer.fp16_params if parameter.device.index == device]
        # In this tensor the parameters of the device lie one after another.
        parts = flat.data.split([parameter.numel() for parameter in own])
        pairs += [(parameter, part.view_as(parameter)) for parameter, part in zip(own, parts)]
    return pairs


def refresh_fp32_copies(optimizer: Any) -> None:
    """Overwrite the optimizer's single-precision copies with the model's parameters.

    The optimizer makes the copies before the first batch. If code sets a parameter later, it must call this, or the
    next update restores the old value.
    """
    for parameter, copy in fp32_copies(optimizer):
        copy.copy_(parameter.data)
