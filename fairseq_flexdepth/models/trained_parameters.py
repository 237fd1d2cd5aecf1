"""The parameters of a model that are trained, each once."""

from typing import Iterator, Tuple

from fairseq.modules.transformer_layer import TransformerEncoderLayerBase
from torch import nn

from fairseq_flexdepth.compat import FAST_PATH_NAMES


def trained_parameters(model: nn.Module) -> Iterator[Tuple[str, nn.Parameter, nn.Module]]:
    """Every unique parameter: its full name, itself and the module that owns it."""
    seen = set()
    for prefix, module in model.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is None or parameter in seen:
                continue
            if name in FAST_PATH_NAMES and isinstance(module, TransformerEncoderLayerBase):
                continue  # fairseq 0.12.2's untrained copies for inference
            seen.add(parameter)
            yield f"{prefix}.{name}", parameter, module
