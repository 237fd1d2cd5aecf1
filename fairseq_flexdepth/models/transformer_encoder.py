"""fairseq's Transformer encoder, run at one depth or at many depths at once."""

from typing import Any, Dict

from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerEncoderBase
from torch import nn

from fairseq_flexdepth.compat import disable_encoder_fast_path, drop_fast_path_keys
from fairseq_flexdepth.models.any_depth_encoder import AnyDepthEncoder
from fairseq_flexdepth.models.layer_sharing import share_side
from fairseq_flexdepth.modules.admin import AdminEncoderLayer, with_checkpointing
from fairseq_flexdepth.modules.depth_layers import DepthLayers


class FlexDepthEncoder(AnyDepthEncoder, TransformerEncoderBase):
    """fairseq's Transformer encoder with layers that can run at any depth: see ``layers.active``."""

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

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> Dict[str, Any]:
        """Upgrade a checkpoint as fairseq does, also one that the other supported fairseq version saved."""
        for index, layer in enumerate(self.layers.children()):
            drop_fast_path_keys(state_dict, f"{name}.layers.{index}", layer)
        return super().upgrade_state_dict_named(state_dict, name)
