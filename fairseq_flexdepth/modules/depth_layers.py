"""A stack of layers that runs any subset of them: this is how a depth is applied to an encoder or a decoder.

fairseq's encoder and decoder loop over their layers with ``for layer in self.layers``. ``DepthLayers`` decides which
layers this loop sees, so that fairseq's ``forward`` runs unchanged: the layers of one sub-network for decoding, or a
single stand-in that runs a whole depth plan for training.
"""

from contextlib import contextmanager
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import torch
from fairseq.modules import LayerDropModuleList
from torch import Tensor, nn

from fairseq_flexdepth.depth.plan import INPUT, DepthPlan
from fairseq_flexdepth.modules.layer_trace import LayerTrace

# Takes the place of all layers of the stack; fairseq calls it like one layer.
StandIn = Callable[..., object]


class DepthLayers(LayerDropModuleList):
    """The layers of an encoder or decoder, with the parameter names of a plain ``ModuleList``.

    Args:
        layers: all layers of the stack.
        layerdrop: probability of skipping a layer in training (fairseq's ``--encoder-layerdrop``).
    """

    def __init__(self, layers: Sequence[nn.Module], layerdrop: float) -> None:
        super().__init__(p=layerdrop, modules=layers)
        self.active: Tuple[int, ...] = tuple(range(1, len(self) + 1))  # positions that the loop sees, from 1
        self._stand_in: Optional[StandIn] = None
        self._ran: Set[int] = set()  # positions that ran in the last loop or plan
        self._frozen = False  # whether that ran without gradients

    def __iter__(self) -> Iterator:
        if self._stand_in is not None:
            return iter([self._stand_in])
        self._ran = self._surviving(self.active)
        return iter([self[position - 1] for position in self.active if position in self._ran])

    def _surviving(self, positions: Iterable[int]) -> Set[int]:
        """The *positions* that LayerDrop does not drop."""
        self._frozen = not torch.is_grad_enabled()
        # With p = 0 fairseq's list would still draw random numbers, which its plain list does not.
        layers = super().__iter__() if self.p > 0 else iter(self._modules.values())
        surviving = {id(layer) for layer in layers}
        return {position for position in positions if id(self[position - 1]) in surviving}

    @property
    def replaced(self) -> bool:
        """Whether :meth:`replaced_by` has replaced the layers by a stand-in."""
        return self._stand_in is not None

    @contextmanager
    def replaced_by(self, stand_in: StandIn) -> Iterator[None]:
        """Within this context, the loop sees *stand_in* alone."""
        self._stand_in = stand_in
        try:
            yield
        finally:
            self._stand_in = None

    def run_plan(
        self,
        plan: DepthPlan,
        x: Tensor,
        run_layer: Callable[[nn.Module, Tensor], Tensor],
        trace: Optional[List[LayerTrace]] = None,
    ) -> Tensor:
        """Make every layer run of *plan* once and stack the outputs of its exits.

        Args:
            plan: the layer runs, and after which of them each depth exits.
            x: the stack's input, length × batch × channels.
            run_layer: applies a layer to its input, length × batch × channels, and returns the same shape.
            trace: a list to append the layer runs of the plan's last sub-network to, the deepest.

        Returns:
            The outputs of all exits, stacked on the batch axis: length × (exits · batch) × channels.
        """
        self._ran = self._surviving(plan.positions)  # LayerDrop drops a layer from all depths alike
        outputs: List[Tensor] = []  # per run: length × batch × channels
        last = plan.path(plan.exits[-1]) if trace is not None else ()
        for run, (position, parent) in enumerate(plan.runs):
            layer = self[position - 1]
            inputs = x if parent == INPUT else outputs[parent]  # length × batch × channels
            runs = position in self._ran
            outputs.append(run_layer(layer, inputs) if runs else inputs)  # length × batch × channels
            if trace is not None and runs and run in last:
                trace.append(LayerTrace(position, layer, inputs, outputs[run]))
        return torch.cat([outputs[run] for run in plan.exits], dim=1)  # length × (exits · batch) × channels

    @contextmanager
    def seen_as_one(self) -> Iterator[None]:
        """Within this context, the loop sees the active layers as one.

        fairseq-fixed's encoder asks before every layer whether there is any padding, which waits for the device.
        """
        layers = list(self)

        def run(x: Tensor, *args: object, **options: object) -> Tensor:
            for layer in layers:
                output = layer(x, *args, **options)
                x = output[0] if isinstance(output, tuple) else output
            return x

        with self.replaced_by(run):
            yield

    @contextmanager
    def all_layers_active(self) -> Iterator[None]:
        """Within this context, all layers run."""
        active, self.active = self.active, tuple(range(1, len(self) + 1))
        try:
            yield
        finally:
            self.active = active

    def unused_parameters(self) -> List[nn.Parameter]:
        """The parameters that no layer used in the last loop or plan; shared ones count as used if one layer ran.

        There are none if the layers ran without gradients: a frozen encoder (``--encoder-freezing-updates``) has none.
        """
        if self._frozen:
            return []
        used = {id(parameter) for position in self._ran for parameter in self[position - 1].parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in used]
