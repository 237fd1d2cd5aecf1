"""fairseq's Transformer encoder, run at one depth or at many."""

from typing import Any, Dict, List, Optional

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
    """fairseq's Transformer encoder, whose layers run at the depth asked for."""

    layers: DepthLayers

    def __init__(self, cfg: TransformerConfig, dictionary: Any, embed_tokens: nn.Embedding) -> None:
        super().__init__(cfg, dictionary, embed_tokens)
        self.layers = DepthLayers(list(self.layers.children()), cfg.encoder.layerdrop)
        disable_encoder_fast_path(self.layers.children())
        share_side(self.layers, cfg, "encoder", cfg.encoder.layerdrop)

    def build_encoder_layer(self, cfg: TransformerConfig) -> nn.Module:
        """fairseq's layer, or Admin's in its place."""
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
        """As fairseq's; in training, layers that do not run get gradients of zero."""
        encoder_out = super().forward(src_tokens, src_lengths, return_all_hiddens, token_embeddings)
        if self.training and not self.layers.replaced:
            unused = self.layers.unused_parameters()
            encoder_out["encoder_out"] = [with_zero_gradients(x, unused) for x in encoder_out["encoder_out"]]
        return encoder_out

    def forward_exits(
        self, plan: DepthPlan, src_tokens: Tensor, src_lengths: Tensor, trace: Optional[List[LayerTrace]] = None
    ) -> Dict[str, List[Tensor]]:
        """The outputs of all exits of *plan*, in the form of fairseq's ``encoder_out``; *trace* as in ``run_plan``.

        ``encoder_out`` is source length × (exits · batch) × channels, after the final layer norm if there is one;
        ``encoder_padding_mask`` (exits · batch) × source length.
        """

        def run(x: Tensor, encoder_padding_mask: Optional[Tensor]) -> Tensor:
            return self.layers.run_plan(
                plan, x, lambda layer, inputs: layer(inputs, encoder_padding_mask=encoder_padding_mask), trace
            )

        with self.layers.replaced_by(run):
            encoder_out = self.forward(src_tokens, src_lengths=src_lengths)
        return {
            "encoder_out": encoder_out["encoder_out"],
            "encoder_padding_mask": [
                mask.repeat(len(plan.exits), 1) for mask in encoder_out["encoder_padding_mask"]
            ],
        }

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> Dict[str, Any]:
        """Also accept a checkpoint of the other stack."""
        for index, layer in enumerate(self.layers.children()):
            drop_fast_path_keys(state_dict, f"{name}.layers.{index}", layer)
        return super().upgrade_state_dict_named(state_dict, name)
