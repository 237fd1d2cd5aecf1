"""One Transformer for every depth: fairseq's model, run at one depth pair or at all of them."""

from functools import lru_cache
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import torch
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.transformer import TransformerConfig, TransformerModelBase
from torch import Tensor, nn

from fairseq_flexdepth.compat import register_model
from fairseq_flexdepth.depth.plan import DepthPlan, build_plan
from fairseq_flexdepth.depth.space import DepthPair, DepthSpace, parse_depths
from fairseq_flexdepth.depth.subnetworks import assign_subnetworks
from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.models.accumulated_losses import accumulated_losses
from fairseq_flexdepth.models.checkpoint_fit import check_fits
from fairseq_flexdepth.models.config import (
    FlexDepthTransformerConfig,
    check_residual_init,
    check_sizes,
    nested_config,
)
from fairseq_flexdepth.models.depth_losses import DepthBatch, WordDistillation, stacked_losses
from fairseq_flexdepth.models.layer_sharing import check_sharing, reentrant_under_ddp
from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder
from fairseq_flexdepth.models.transformer_encoder import FlexDepthEncoder
from fairseq_flexdepth.modules.admin import broadcast_from_first, profiled
from fairseq_flexdepth.modules.device_copies import on_device_of


@register_model("tied_multi_transformer", dataclass=FlexDepthTransformerConfig)
class FlexDepthTransformer(TransformerModelBase):
    """A Transformer that is trained for, and decodes at, every depth pair of its depth space.

    Called as fairseq calls its ``transformer``, it is that model, at the depth set by :meth:`set_depth` (by default
    the deepest of the space). Called with a *target* it returns the losses of many depth pairs at once.
    """

    def __init__(self, cfg: TransformerConfig, encoder: FlexDepthEncoder, decoder: FlexDepthDecoder) -> None:
        super().__init__(cfg, encoder, decoder)
        layers = len(encoder.layers), len(decoder.layers)
        self.depth_space = DepthSpace(
            parse_depths(cfg.encoder_depths, layers[0], "--encoder-depths"),
            parse_depths(cfg.decoder_depths, layers[1], "--decoder-depths"),
        )
        self.chosen_depth: Optional[DepthPair] = None
        self.num_updates = 0
        self.loss_scale = 1.0
        self.residuals_profiled = cfg.residual_init == "none"
        self.use_subnetworks(cfg.subnetworks)

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Add the options, without defaults, so that those of the named architectures hold."""
        gen_parser_from_dataclass(parser, FlexDepthTransformerConfig(), delete_default=True)

    @classmethod
    def build_model(cls, cfg: Any, task: Any) -> "FlexDepthTransformer":
        """As fairseq's, once the options are looked at.

        Raises:
            ValueError: an option that a model of many depths cannot have, sizes that do not fit each other, or layer
                sharing, Admin or ``--checkpoint-activations`` where they cannot be.
        """
        config = nested_config(cfg)
        if config.adaptive_softmax_cutoff is not None:
            raise ValueError(
                f"--adaptive-softmax-cutoff {config.adaptive_softmax_cutoff}: "
                "a model of many depths needs the full softmax; leave the option out"
            )
        if config.base_layers > 0:
            raise ValueError(
                f"--base-layers {config.base_layers}: would count as depths of the decoder; leave the option out"
            )
        check_sizes(config)
        check_sharing(config)
        check_residual_init(config, task)
        model = super().build_model(config, task)
        _check_checkpointing(model, config)
        return model

    @classmethod
    def build_embedding(
        cls, cfg: TransformerConfig, dictionary: Any, embed_dim: int, path: Optional[str] = None
    ) -> nn.Embedding:
        """As fairseq's.

        Raises:
            ValueError: ``--encoder-embed-path`` or ``--decoder-embed-path`` cannot be read.
        """
        try:
            return super().build_embedding(cfg, dictionary, embed_dim, path)
        except (OSError, ValueError, RuntimeError) as error:  # the last is torch's, of another width
            if path is None:
                raise
            side = "encoder" if path == cfg.encoder.embed_path else "decoder"
            reason = f"cannot be read as text with an embedding per line: {brief(error)}"
            resume = "; leave it out to resume a training, whose checkpoint has all weights"
            raise ValueError(f"--{side}-embed-path {path}: {reason}{resume}") from error

    @classmethod
    def build_encoder(cls, cfg: TransformerConfig, src_dict: Any, embed_tokens: nn.Embedding) -> FlexDepthEncoder:
        """Ours, in place of fairseq's."""
        return FlexDepthEncoder(cfg, src_dict, embed_tokens)

    @classmethod
    def build_decoder(cls, cfg: TransformerConfig, tgt_dict: Any, embed_tokens: nn.Embedding) -> FlexDepthDecoder:
        """Ours, in place of fairseq's."""
        return FlexDepthDecoder(cfg, tgt_dict, embed_tokens, no_encoder_attn=cfg.no_cross_attention)

    def use_subnetworks(self, strategy: str) -> None:
        """Let *strategy* say which layers every depth runs from now on; no single pair is chosen.

        Raises:
            ValueError: the strategy is unknown.
        """
        self.strategy = strategy
        layers = len(self.encoder.layers), len(self.decoder.layers)
        self.encoder_subnetworks = assign_subnetworks(strategy, layers[0], self.depth_space.encoder)
        self.decoder_subnetworks = assign_subnetworks(strategy, layers[1], self.depth_space.decoder)
        self.set_depth()

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> DepthPair:
        """Run this depth pair alone from now on; a depth left out is the deepest, both left out undo the choice.

        Returns:
            The pair that runs now.

        Raises:
            ValueError: a depth is outside the depth space.
        """
        n, m = self.depth_space.choose(encoder_depth, decoder_depth)
        self.encoder.layers.active = self.encoder_subnetworks[n]
        self.decoder.layers.active = self.decoder_subnetworks[m]
        self.chosen_depth = None if encoder_depth is None and decoder_depth is None else (n, m)
        return n, m

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor,
        prev_output_tokens: Tensor,
        return_all_hiddens: bool = True,
        features_only: bool = False,
        alignment_layer: Optional[int] = None,
        alignment_heads: Optional[int] = None,
        target: Optional[Tensor] = None,
        label_smoothing: float = 0.0,
        depths: Optional[DepthSpace] = None,
        pair_weights: Optional[Union[Sequence[float], Tensor]] = None,
        accumulate: bool = False,
        distillation: Optional[WordDistillation] = None,
        sentence_weights: Optional[Tensor] = None,
        trace: bool = False,
    ) -> Any:
        """Without *target*, as fairseq's ``transformer``. With it, the losses of all pairs of *depths*.

        Args:
            target: batch × target length.
            label_smoothing: ε of fairseq's label-smoothed cross-entropy.
            depths: the pairs to compute; the whole depth space by default.
            pair_weights: the weight of each of ``depths.pairs`` in the loss; equal ones, of sum 1, by default.
            accumulate: in training, run one sub-network after another, which takes less memory.
            distillation: let every pair also learn from a teacher; *label_smoothing* is then that of its mixture.
            sentence_weights: batch, the factor of each sentence in every loss.
            trace: also return what the layers of the deepest pair gave out; not with *accumulate*.

        Returns:
            With *target* a dict: ``loss``, the weighted sum of the pairs' losses; ``pair_losses`` and
            ``pair_nll_losses``, one a pair, without gradient, and ``pair_soft_losses`` where there is a teacher. All
            are sums over target tokens, in nats. ``encoder_trace`` and ``decoder_trace`` where asked for.
        """
        if target is None:
            return super().forward(
                src_tokens,
                src_lengths,
                prev_output_tokens,
                return_all_hiddens=return_all_hiddens,
                features_only=features_only,
                alignment_layer=alignment_layer,
                alignment_heads=alignment_heads,
            )
        depths = depths or self.depth_space
        if pair_weights is None:
            pair_weights = [1.0 / len(depths.pairs)] * len(depths.pairs)
        words = src_tokens, src_lengths, prev_output_tokens, target
        weights = pair_weights if torch.is_tensor(pair_weights) else on_device_of(target, pair_weights)
        batch = DepthBatch(*words, label_smoothing, depths, weights, distillation, sentence_weights, trace)
        training = self.training and torch.is_grad_enabled()
        return accumulated_losses(self, batch) if accumulate and training else stacked_losses(self, batch)

    def plans(self, depths: DepthSpace) -> Tuple[DepthPlan, DepthPlan]:
        """The encoder's and the decoder's plan for *depths*."""
        return (
            _plan(tuple(self.encoder_subnetworks[n] for n in depths.encoder)),
            _plan(tuple(self.decoder_subnetworks[m] for m in depths.decoder)),
        )

    def profile_residuals(self, net_input: Dict[str, Tensor]) -> None:
        """Set Admin's residual scales from one batch, on all processes as on the first.

        The pass runs all layer positions, without dropout and without gradients.

        Args:
            net_input: the arguments of :meth:`forward`.
        """
        training = self.training
        self.eval()
        encoder, decoder = self.encoder.layers, self.decoder.layers
        padding = [net_input[words].eq(self.decoder.padding_idx) for words in ("src_tokens", "prev_output_tokens")]
        with torch.no_grad(), encoder.all_layers_active(), decoder.all_layers_active():
            with profiled(encoder, padding[0]) as below, profiled(decoder, padding[1]) as above:
                super().forward(**net_input, features_only=True)
            values = broadcast_from_first(torch.cat([below.values, above.values]))
            for scale, value in zip(below.scales + above.scales, values):
                scale.fill_(value)
        self.train(training)
        self.residuals_profiled = True

    def set_num_updates(self, num_updates: int) -> None:
        """Remember the update number, from which depths are drawn."""
        super().set_num_updates(num_updates)
        self.num_updates = num_updates

    def set_loss_scale(self, scale: float) -> None:
        """Say by which factor the next loss will be multiplied; ``--accumulate-depths`` forms its gradients so."""
        self.loss_scale = scale

    def load_state_dict(self, state_dict: Dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As fairseq's.

        Raises:
            ValueError: the dictionaries, the layers or ``--residual-init`` are not those of the checkpoint, or it
                lacks weights.
        """
        check_fits(self, state_dict)
        self.residuals_profiled = True
        try:
            return super().load_state_dict(state_dict, *args, **kwargs)
        except (RuntimeError, KeyError) as error:  # torch's; 0.12.2's encoder layers raise the other
            raise ValueError(f"the checkpoint's weights are not those of this model: {brief(error)}") from error


def _check_checkpointing(model: FlexDepthTransformer, cfg: Any) -> None:
    """Sub-networks other than the first layers run some layers several times an update."""
    if not reentrant_under_ddp(cfg):
        return
    if any(len(plan.runs) > len(plan.positions) for plan in model.plans(model.depth_space)):
        raise ValueError(
            f"--checkpoint-activations: with --subnetworks {cfg.subnetworks}, --ddp-backend {cfg.ddp_backend} would "
            "see a parameter's gradient once a run; use --ddp-backend legacy_ddp"
        )


@lru_cache(maxsize=None)
def _plan(subnetworks: Tuple[Tuple[int, ...], ...]) -> DepthPlan:
    return build_plan(subnetworks)

