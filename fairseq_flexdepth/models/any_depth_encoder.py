"""The common part of our text encoder and our speech encoder: they run at one depth or at many depths at once."""

from typing import Any, Dict, List, Optional

from fairseq.models import FairseqEncoder
from torch import Tensor

from fairseq_flexdepth.depth.plan import DepthPlan
from fairseq_flexdepth.modules.depth_layers import DepthLayers
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients


class AnyDepthEncoder(FairseqEncoder):
    """Mixin for an encoder of fairseq whose ``layers`` are of class DepthLayers: see ``layers.active``."""

    layers: DepthLayers

    def forward(self, *args: Any, **kwargs: Any) -> Dict[str, List[Tensor]]:
        """Encode the source as fairseq does; in training, layers that did not run get zero gradients."""
        encoder_out = super().forward(*args, **kwargs)
        # A run of a depth plan leaves the zero gradients to the losses, which know the whole plan.
        if self.training and not self.layers.replaced:
            unused = self.layers.unused_parameters()
            encoder_out["encoder_out"] = [with_zero_gradients(x, unused) for x in encoder_out["encoder_out"]]
        return encoder_out

    def forward_exits(
        self, plan: DepthPlan, src_tokens: Tensor, src_lengths: Tensor, trace: Optional[List[LayerTrace]] = None
    ) -> Dict[str, List[Tensor]]:
        """Encode the source at all depths of *plan* at once.

        Args:
            plan: the depth plan; an exit is the output of one depth.
            src_tokens: batch × source length, of speech batch × frames × channels.
            src_lengths: batch.
            trace: gets the layer outputs of the deepest depth, as in ``DepthLayers.run_plan``.

        Returns:
            A dict like fairseq's: ``encoder_out``, source length × (exits · batch) × channels, after the final layer
            norm if there is one; ``encoder_padding_mask``, (exits · batch) × source length.
        """

        def run(x: Tensor, encoder_padding_mask: Optional[Tensor]) -> Tensor:
            # source length × batch × channels → source length × (exits · batch) × channels
            return self.layers.run_plan(
                plan, x, lambda layer, inputs: layer(inputs, encoder_padding_mask=encoder_padding_mask), trace
            )

        # fairseq's forward loops over the layers: now over a single stand-in, which runs the whole plan.
        with self.layers.replaced_by(run):
            encoder_out = self.forward(src_tokens, src_lengths=src_lengths)
        return {
            "encoder_out": encoder_out["encoder_out"],
            "encoder_padding_mask": [
                mask.repeat(len(plan.exits), 1)  # (exits · batch) × source length
                for mask in encoder_out["encoder_padding_mask"]
            ],
        }
