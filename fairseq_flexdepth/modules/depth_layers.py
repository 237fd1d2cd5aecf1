"""A stack of layers of which only the asked-for ones run.

fairseq's encoder and decoder walk through their layers with ``for layer in self.layers``. Choosing what this loop
sees is all that a depth needs, so that fairseq's ``forward`` runs unchanged: the layers of one sub-network for
decoding, or a single stand-in that runs a whole depth plan for training.
"""

from contextlib import contextmanager
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import torch
from fairseq.modules import LayerDropModuleList
from torch import Tensor, nn

from fairseq_flexdepth.depth.plan import INPUT, DepthPlan
from fairseq_flexdepth.modules.layer_trace import LayerTrace

# A stand-in for a layer: called as fairseq calls a layer of the stack.
StandIn = Callable[..., object]


class DepthLayers(LayerDropModuleList):
    """The layers of an encoder or decoder, with the parameter names of a plain ``ModuleList``.

    Args:
        layers: all layers of the stack.
        layerdrop: probability of skipping a layer in training (fairseq's ``--encoder-layerdrop``).
    """

    def __init__(self, layers: Sequence[nn.Module], layerdrop: float) -> None:
        super().__init__(p=layerdrop, modules=layers)
        self.active: Tuple[int, ...] = tuple(range(1, len(self) + 1))  # positions that an iteration yields
        self._stand_in: Optional[StandIn] = None
        self._ran: Set[int] = set()  # positions, in the last iteration or plan

    def __iter__(self) -> Iterator:
        if self._stand_in is not None:
            return iter([self._stand_in])
        self._ran = self._surviving(self.active)
        return iter([self[position - 1] for position in self.active if position in self._ran])

    def _surviving(self, positions: Iterable[int]) -> Set[int]:
        """The *positions* that LayerDrop does not drop."""
        # With p = 0 fairseq's list would still draw random numbers, which its plain list does not.
        layers = super().__iter__() if self.p > 0 else iter(self._modules.values())
        surviving = {id(layer) for layer in layers}
        return {position for position in positions if id(self[position - 1]) in surviving}

    @property
    def replaced(self) -> bool:
        """Whether an iteration yields a stand-in."""
        return self._stand_in is not None

    @contextmanager
    def replaced_by(self, stand_in: StandIn) -> Iterator[None]:
        """Within this context an iteration yields *stand_in* alone."""
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
        """Run every layer of *plan* once and stack the outputs of its exits.

        Args:
            plan: what to run.
            x: the stack's input, length × batch × channels.
            run_layer: applies a layer to its input.
            trace: gets the layers that the plan's last sub-network ran.

        Returns:
            The exits' outputs one after another on the batch axis: length × (exits · batch) × channels.
        """
        self._ran = self._surviving(plan.positions)
        outputs: List[Tensor] = []
        last = plan.path(plan.exits[-1]) if trace is not None else ()
        for run, (position, parent) in enumerate(plan.runs):
            layer = self[position - 1]
            inputs = x if parent == INPUT else outputs[parent]
            runs = position in self._ran
            outputs.append(run_layer(layer, inputs) if runs else inputs)
            if trace is not None and runs and run in last:
                trace.append(LayerTrace(position, layer, inputs, outputs[run]))
        return torch.cat([outputs[run] for run in plan.exits], dim=1)

    @contextmanager
    def all_layers_active(self) -> Iterator[None]:
        """Within this context all positions run."""
        active, self.active = self.active, tuple(range(1, len(self) + 1))
        try:
            yield
        finally:
            self.active = active

    def unused_parameters(self) -> List[nn.Parameter]:
        """The parameters of layers that did not run in the last iteration or plan, and of no layer that did."""
        used = {id(parameter) for position in self._ran for parameter in self[position - 1].parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in used]
