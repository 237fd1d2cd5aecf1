"""fairseq's Transformer decoder, run at one depth or at many depths at once."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerDecoderBase
from fairseq.modules import AdaptiveInput
from torch import Tensor, nn

from fairseq_flexdepth.depth.plan import DepthPlan
from fairseq_flexdepth.models.layer_sharing import checkpoints, share_side
from fairseq_flexdepth.modules.admin import AdminDecoderLayer, with_checkpointing
from fairseq_flexdepth.modules.depth_layers import DepthLayers
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients
from fairseq_flexdepth.modules.shared_attention import SharedAttention


class FlexDepthDecoder(TransformerDecoderBase):
    """fairseq's Transformer decoder with layers that can run at any depth: see ``layers.active``."""

    layers: DepthLayers
    cross_self_attention: bool

    def __init__(
        self, cfg: TransformerConfig, dictionary: Dictionary, embed_tokens: nn.Embedding, no_encoder_attn: bool = False
    ) -> None:
        super().__init__(cfg, dictionary, embed_tokens, no_encoder_attn=no_encoder_attn)
        self.layers = DepthLayers(list(self.layers.children()), cfg.decoder.layerdrop)
        share_side(self.layers, cfg, "decoder", cfg.decoder.layerdrop)
        # Activation checkpointing runs a layer again in the backward pass, and sharded layers have no parameters then.
        self.shares_attention = not checkpoints(cfg) and getattr(cfg, "ddp_backend", None) != "fully_sharded"

    def build_decoder_layer(self, cfg: TransformerConfig, no_encoder_attn: bool = False) -> nn.Module:
        """Build fairseq's layer, or with ``--residual-init admin`` a layer with residual scales ([liu2020])."""
        if cfg.residual_init == "none":
            return super().build_decoder_layer(cfg, no_encoder_attn)
        return with_checkpointing(AdminDecoderLayer(cfg, no_encoder_attn), cfg)

    def forward_exits(
        self,
        plan: DepthPlan,
        prev_output_tokens: Tensor,
        encoder_out: Optional[Dict[str, List[Tensor]]],
        trace: Optional[List[LayerTrace]] = None,
    ) -> Tensor:
        """Decode at all depths of *plan* at once, on the encoder's outputs at all its depths.

        Args:
            plan: the depth plan; an exit is the output of one depth.
            prev_output_tokens: batch × target length.
            encoder_out: the result of ``FlexDepthEncoder.forward_exits``, stacked on the batch axis; ``None`` for a
                model without an encoder, which has one encoder exit in the shapes here.
            trace: gets the layer outputs of the deepest depth, target length × (encoder exits · batch) × channels.

        Returns:
            The features of all pairs, (decoder exits · encoder exits · batch) × target length × channels, ready for
            the output projection.
        """

        def run(x: Tensor, enc: Optional[Tensor], padding_mask: Optional[Tensor], *_: Any, **masks: Any) -> Tuple:
            # x: target length × batch × channels; enc: source length × (encoder exits · batch) × channels
            exits = 1 if enc is None else enc.size(1) // x.size(1)
            future, padding = masks["self_attn_mask"], masks["self_attn_padding_mask"]
            padding = None if padding is None else padding.repeat(exits, 1)  # (encoder exits · batch) × target length
            x = x.repeat(1, exits, 1)  # target length × (encoder exits · batch) × channels

            layers = [self.layers[position - 1] for position, _ in plan.runs] if self.shares_attention else []
            shared = SharedAttention(layers, exits if self.shares_attention else 1)

            def run_layer(layer: nn.Module, inputs: Tensor) -> Tensor:
                masks = {"self_attn_mask": future, "self_attn_padding_mask": padding}
                with shared.within(layer, on_input=inputs is x):
                    return layer(inputs, enc, padding_mask, **masks, need_attn=False)[0]

            # target length × (decoder exits · encoder exits · batch) × channels
            return self.layers.run_plan(plan, x, run_layer, trace), None, None

        # fairseq's code loops over the layers: now over a single stand-in, which runs the whole plan.
        with self.layers.replaced_by(run), self._padding_always_masked():
            return self.extract_features(prev_output_tokens, encoder_out=encoder_out)[0]

    @contextmanager
    def _padding_always_masked(self) -> Iterator[None]:
        """Within this context the padding mask is always built.

        fairseq asks first whether there is any padding, which waits for the device; with cross self-attention it does
        not ask.
        """
        own_value, self.cross_self_attention = self.cross_self_attention, True
        try:
            yield
        finally:
            self.cross_self_attention = own_value

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[Dict[str, List[Tensor]]],
        incremental_state: Optional[Dict[str, Dict[str, Optional[Tensor]]]] = None,
        full_context_alignment: bool = False,
        alignment_layer: Optional[int] = None,
        alignment_heads: Optional[int] = None,
    ) -> Tuple[Tensor, Dict[str, List]]:
        """Run the layers as fairseq does; by default the alignment is taken from the last active layer.

        In training, layers that did not run get zero gradients, and so do adaptive inputs that no word uses. If
        LayerDrop drops all layers, no layer reads the encoder's output, which then also gets zero gradients.
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
        if self.training:
            unused: List[Tensor] = list(_unused_inputs(self.embed_tokens, prev_output_tokens))
            if not self.layers.replaced:
                unused += encoder_out["encoder_out"] if encoder_out is not None else []
                unused += self.layers.unused_parameters()
            x = with_zero_gradients(x, unused)
        return x, extra

    def reorder_incremental_state_scripting(
        self, incremental_state: Dict[str, Dict[str, Optional[Tensor]]], new_order: Tensor
    ) -> None:
        """Reorder the decoding caches of the active layers for beam search; the other layers have none.

        fairseq would walk through all modules, inactive layers included.
        """
        for layer in self.layers:
            for module in layer.modules():
                if hasattr(module, "reorder_incremental_state"):
                    result = module.reorder_incremental_state(incremental_state, new_order)
                    if result is not None:
                        incremental_state = result


def _unused_inputs(embed_tokens: nn.Module, tokens: Tensor) -> Iterator[nn.Parameter]:
    """The parameters of the bands of adaptive inputs ([baevski2019]) to which none of the *tokens* belongs."""
    if isinstance(embed_tokens, AdaptiveInput):
        start = 0
        for end, band in zip(embed_tokens.cutoff, embed_tokens.embeddings):
            if not (tokens.ge(start) & tokens.lt(end)).any():
                yield from band.parameters()
            start = end
