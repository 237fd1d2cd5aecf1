"""fairseq's Transformer encoder, run at one depth or at many depths at once."""

from typing import Any, Dict, List, Optional

from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerEncoderBase
from torch import Tensor, nn

from fairseq_flexdepth.compat import disable_encoder_fast_path, drop_fast_path_keys
from fairseq_flexdepth.depth.plan import DepthPlan
from fairseq_flexdepth.models.layer_sharing import share_side
from fairseq_flexdepth.modules.admin import AdminEncoderLayer, with_checkpointing
from fairseq_flexdepth.modules.depth_layers import DepthLayers
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients


class FlexDepthEncoder(TransformerEncoderBase):
    """fairseq's Transformer encoder with layers that can run at any depth: see ``layers.active``."""

    layers: DepthLayers

    def __init__(self, cfg: TransformerConfig, dictionary: Dictionary, embed_tokens: nn.Embedding) -> None:
        super().__init__(cfg, dictionary, embed_tokens)
        self.layers = DepthLayers(list(self.layers.children()), cfg.encoder.layerdrop)
        disable_encoder_fast_path(self.layers.children())  # it ignores residual scales and swaps axes
        share_side(self.layers, cfg, "encoder", cfg.encoder.layerdrop)

    def build_encoder_layer(self, cfg: TransformerConfig) -> nn.Module:
        """Build fairseq's layer, or with ``--residual-init admin`` a layer with residual scales ([liu2020])."""
        if cfg.residual_init == "none":
            return super().build_encoder_layer(cfg)
        return with_checkpointing(AdminEncoderLayer(cfg, return_fc=self.return_fc), cfg)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Optional[Tensor] = None,
        return_all_hiddens: bool = False,
        token_embeddings: Optional[Tensor] = None,
    ) -> Dict[str, List[Tensor]]:
        """Encode the source as fairseq does; in training, layers that did not run get zero gradients."""
        encoder_out = super().forward(src_tokens, src_lengths, return_all_hiddens, token_embeddings)
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
            src_tokens: batch × source length.
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

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> Dict[str, Any]:
        """Upgrade a checkpoint as fairseq does, also one that the other supported fairseq version saved."""
        for index, layer in enumerate(self.layers.children()):
            drop_fast_path_keys(state_dict, f"{name}.layers.{index}", layer)
        return super().upgrade_state_dict_named(state_dict, name)
