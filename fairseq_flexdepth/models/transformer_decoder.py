"""fairseq's Transformer decoder, run at one depth or at many."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

from fairseq.models.transformer import TransformerConfig, TransformerDecoderBase
from torch import Tensor, nn

from fairseq_flexdepth.depth.plan import DepthPlan
from fairseq_flexdepth.models.layer_sharing import share_side
from fairseq_flexdepth.modules.admin import AdminDecoderLayer, with_checkpointing
from fairseq_flexdepth.modules.depth_layers import DepthLayers
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients


class FlexDepthDecoder(TransformerDecoderBase):
    """fairseq's Transformer decoder, whose layers run at the depth asked for."""

    layers: DepthLayers
    cross_self_attention: bool

    def __init__(
        self, cfg: TransformerConfig, dictionary: Any, embed_tokens: nn.Embedding, no_encoder_attn: bool = False
    ) -> None:
        super().__init__(cfg, dictionary, embed_tokens, no_encoder_attn=no_encoder_attn)
        self.layers = DepthLayers(list(self.layers.children()), cfg.decoder.layerdrop)
        share_side(self.layers, cfg, "decoder", cfg.decoder.layerdrop)

    def build_decoder_layer(self, cfg: TransformerConfig, no_encoder_attn: bool = False) -> nn.Module:
        """fairseq's layer, or Admin's in its place."""
        if cfg.residual_init == "none":
            return super().build_decoder_layer(cfg, no_encoder_attn)
        return with_checkpointing(AdminDecoderLayer(cfg, no_encoder_attn), cfg)

    def forward_exits(
        self,
        plan: DepthPlan,
        prev_output_tokens: Tensor,
        encoder_out: Dict[str, List[Tensor]],
        trace: Optional[List[LayerTrace]] = None,
    ) -> Tensor:
        """The features of all exits of *plan* on each of the encoder outputs stacked in *encoder_out*.

        *trace* is as in ``run_plan``; its batch axis holds all the encoder outputs.

        Returns:
            (decoder exits · encoder exits · batch) × target length × channels, ready for the output projection.
        """

        def run(x: Tensor, enc: Tensor, padding_mask: Optional[Tensor], *_: Any, **masks: Any) -> Tuple:
            copies = enc.size(1) // x.size(1)
            future, padding = masks["self_attn_mask"], masks["self_attn_padding_mask"]
            padding = None if padding is None else padding.repeat(copies, 1)

            def run_layer(layer: nn.Module, inputs: Tensor) -> Tensor:
                return layer(
                    inputs, enc, padding_mask, self_attn_mask=future, self_attn_padding_mask=padding, need_attn=False
                )[0]

            return self.layers.run_plan(plan, x.repeat(1, copies, 1), run_layer, trace), None, None

        with self.layers.replaced_by(run), self._padding_always_masked():
            return self.extract_features(prev_output_tokens, encoder_out=encoder_out)[0]

    @contextmanager
    def _padding_always_masked(self) -> Iterator[None]:
        """Within this context padding is masked without asking whether there is any, which waits for the device."""
        asked, self.cross_self_attention = self.cross_self_attention, True
        try:
            yield
        finally:
            self.cross_self_attention = asked

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[Dict[str, List[Tensor]]],
        incremental_state: Optional[Dict[str, Dict[str, Optional[Tensor]]]] = None,
        full_context_alignment: bool = False,
        alignment_layer: Optional[int] = None,
        alignment_heads: Optional[int] = None,
    ) -> Tuple[Tensor, Dict[str, List]]:
        """As fairseq's; the alignment is by default that of the last layer that runs.

        In training, layers that do not run get gradients of zero, and so does the encoder where no layer reads its
        output.
        """
        if alignment_layer is None:
            alignment_layer = len(self.layers.active) - 1
        x, extra = super().extract_features(
            prev_output_tokens,
            encoder_out,
            incremental_state,
            full_context_alignment,
            alignment_layer,
            alignment_heads,
        )
        if self.training and not self.layers.replaced:
            read = encoder_out["encoder_out"] if encoder_out is not None else []
            x = with_zero_gradients(x, [*read, *self.layers.unused_parameters()])
        return x, extra

    def reorder_incremental_state_scripting(
        self, incremental_state: Dict[str, Dict[str, Optional[Tensor]]], new_order: Tensor
    ) -> None:
        """Reorder the decoding caches of the layers that run; the others have none."""
        for layer in self.layers:
            for module in layer.modules():
                if hasattr(module, "reorder_incremental_state"):
                    result = module.reorder_incremental_state(incremental_state, new_order)
                    if result is not None:
                        incremental_state = result
