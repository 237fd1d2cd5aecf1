"""What fairseq's optimizers for half precision keep, and what depends on it."""

from typing import Any, List, Tuple

from torch import Tensor


def loss_scale(optimizer: Any) -> float:
    """The factor by which *optimizer* will multiply the next loss: of ``--fp16`` or ``--amp``; 1 without."""
    scaler = getattr(optimizer, "scaler", None)
    if scaler is None:
        return 1.0
    return float(scaler.loss_scale if hasattr(scaler, "loss_scale") else scaler.get_scale())


def refresh_fp32_copies(optimizer: Any) -> None:
    """Copy the model's parameters to the single-precision ones that fairseq's fp16 optimizer keeps, if it does.

    They are made before the first batch; whatever sets a parameter later has to set its copy too.
    """
    copies = getattr(optimizer, "fp32_params", None)
    if copies is None:
        return
    if isinstance(copies, dict):  # flat: one tensor a device
        pairs: List[Tuple[Tensor, Tensor]] = []
        for device, flat in copies.items():
            own = [parameter for parameter in optimizer.fp16_params if parameter.device.index == device]
            pairs += zip(own, flat.data.split([parameter.numel() for parameter in own]))
    else:
        pairs = list(zip(optimizer.fp16_params, copies))
    for parameter, copy in pairs:
        copy.data.copy_(parameter.data.view_as(copy))
