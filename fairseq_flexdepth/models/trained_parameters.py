"""The trained parameters of a model, for counting and pruning."""

from typing import Iterator, Tuple

from fairseq.modules.transformer_layer import TransformerEncoderLayerBase
from torch import nn

from fairseq_flexdepth.compat import FAST_PATH_NAMES


def trained_parameters(model: nn.Module) -> Iterator[Tuple[str, nn.Parameter, nn.Module]]:
    """Yield each trained parameter once: its full name, the parameter, and the module that owns it.

    A parameter that several layer positions share has the name of the first one.
    """
    seen = set()
    for prefix, module in model.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is None or parameter in seen:
                continue
            if name in FAST_PATH_NAMES and isinstance(module, TransformerEncoderLayerBase):
                continue  # copies for inference in fairseq 0.12.2, which are not trained
            seen.add(parameter)
            yield f"{prefix}.{name}", parameter, module
