"""Inputs and outputs of layers, recorded during a forward pass."""

from contextlib import contextmanager
from typing import Callable, Iterator, List, NamedTuple, Tuple, Union

from torch import Tensor, nn


class LayerTrace(NamedTuple):
    """The input and output of one run of a layer."""

    position: int  # counted from 1
    layer: nn.Module
    inputs: Tensor  # length × batch × channels
    output: Tensor  # length × batch × channels


@contextmanager
def traced(layers: nn.ModuleList) -> Iterator[List[LayerTrace]]:
    """Within this context, record each run of *layers*, in running order, in the list it yields.

    Hooks record them while the model's own ``forward`` runs: a call that bypasses it would leave gradients
    unsynchronised between processes.
    """
    runs: List[LayerTrace] = []

    def recorder(position: int) -> Callable[..., None]:
        def hook(layer: nn.Module, arguments: Tuple[Tensor, ...], output: Union[Tensor, Tuple]) -> None:
            # A decoder layer returns a tuple, which its output begins.
            states = output if isinstance(output, Tensor) else output[0]  # length × batch × channels
            runs.append(LayerTrace(position, layer, arguments[0], states))

        return hook

    handles = [layer.register_forward_hook(recorder(index)) for index, layer in enumerate(layers.children(), start=1)]
    try:
        yield runs
    finally:
        for handle in handles:
            handle.remove()
