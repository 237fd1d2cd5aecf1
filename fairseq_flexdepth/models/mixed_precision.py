"""What fairseq's optimizers for half precision keep, and what depends on it."""

from typing import Any, List, Tuple

from torch import Tensor


def loss_scale(optimizer: Any) -> float:
    """The factor by which *optimizer* will multiply the next loss: of ``--fp16`` or ``--amp``; 1 without."""
    scaler = getattr(optimizer, "scaler", None)
    if scaler is None:
        return 1.0
    return float(scaler.loss_scale if hasattr(scaler, "loss_scale") else scaler.get_scale())


def fp32_copies(optimizer: Any) -> List[Tuple[Tensor, Tensor]]:
    """The model's parameters, each with the single-precision copy that fairseq's fp16 optimizer keeps of it.

    A copy has its parameter's shape, and writing to it writes to the optimizer's. An optimizer that steps on the
    parameters themselves, as the memory-efficient one does, keeps none.
    """
    copies = getattr(optimizer, "fp32_params", None)
    if copies is None:
        return []
    if not isinstance(copies, dict):
        return [(parameter, copy.data) for parameter, copy in zip(optimizer.fp16_params, copies)]
    pairs: List[Tuple[Tensor, Tensor]] = []
    for device, flat in copies.items():  # one tensor a device
        own = [parameter for parameter in optimizer.fp16_params if parameter.device.index == device]
        parts = flat.data.split([parameter.numel() for parameter in own])
        pairs += [(parameter, part.view_as(parameter)) for parameter, part in zip(own, parts)]
    return pairs


def refresh_fp32_copies(optimizer: Any) -> None:
    """Copy the model's parameters to the single-precision ones that fairseq's fp16 optimizer keeps, if it does.

    They are made before the first batch; whatever sets a parameter later has to set its copy too.
    """
    for parameter, copy in fp32_copies(optimizer):
        copy.copy_(parameter.data)
