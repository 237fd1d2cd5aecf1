"""What the layers of a stack took in and gave out during a forward pass."""

from contextlib import contextmanager
from typing import Any, Iterator, List, NamedTuple

import torch
from torch import Tensor, nn


class LayerTrace(NamedTuple):
    """One layer's run."""

    position: int  # counted from 1
    layer: nn.Module
    inputs: Tensor  # length × batch × channels
    output: Tensor  # length × batch × channels


@contextmanager
def traced(layers: nn.ModuleList) -> Iterator[List[LayerTrace]]:
    """Within this context collect the runs of *layers* by the model that they belong to.

    The model's own ``forward`` runs: gradients of what bypasses it would not be synchronised between processes.
    """
    runs: List[LayerTrace] = []

    def remember(position: int) -> Any:
        def hook(layer: nn.Module, arguments: Any, output: Any) -> None:
            output = output if torch.is_tensor(output) else output[0]
            runs.append(LayerTrace(position, layer, arguments[0], output))

        return hook

    handles = [layer.register_forward_hook(remember(index)) for index, layer in enumerate(layers.children(), start=1)]
    try:
        yield runs
    finally:
        for handle in handles:
            handle.remove()
