"""One Transformer for every depth: fairseq's model, run at one depth pair or at all of them.

A depth pair (n, m) is an encoder depth n and a decoder depth m: n encoder layers run, and m decoder layers.
"""

from argparse import ArgumentParser
from typing import Any, Dict, Optional, Sequence, Union

import torch
from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.transformer import TransformerConfig, TransformerModelBase
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.compat import register_model
from fairseq_flexdepth.depth.supported_depths import DepthSpace
from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.models.accumulated_losses import accumulated_losses
from fairseq_flexdepth.models.any_depth import AnyDepthModel
from fairseq_flexdepth.models.checkpoint_fit import check_fits
from fairseq_flexdepth.models.config import FlexDepthTransformerConfig, check_options, nested_config
from fairseq_flexdepth.models.depth_losses import DepthBatch, WordDistillation, stacked_losses
from fairseq_flexdepth.models.layer_sharing import reentrant_under_ddp
from fairseq_flexdepth.models.pretrained_keys import fit_keys
from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder
from fairseq_flexdepth.models.transformer_encoder import FlexDepthEncoder
from fairseq_flexdepth.modules.admin import broadcast_from_first, profiled
from fairseq_flexdepth.modules.device_copies import on_device_of


@register_model("tied_multi_transformer", dataclass=FlexDepthTransformerConfig)
class FlexDepthTransformer(AnyDepthModel, TransformerModelBase):
    """A Transformer that is trained for, and decodes at, every depth pair of its depth space ([dabre2020], [wang2020]).

    Called without a *target*, it computes what fairseq's ``transformer`` computes, at the depth pair set by
    :meth:`set_depth` (by default the deepest). Called with a *target*, it returns the losses of many depth pairs.

    Args:
        cfg: the options, nested.
        encoder: the encoder.
        decoder: the decoder.

    Raises:
        ValueError: ``--encoder-depths`` or ``--decoder-depths`` does not fit the number of layers.
    """

    def __init__(self, cfg: TransformerConfig, encoder: FlexDepthEncoder, decoder: FlexDepthDecoder) -> None:
        super().__init__(cfg, encoder, decoder)
        self.support_depths(cfg)
        self.num_updates = 0
        self.loss_scale = 1.0  # of the optimizer; see set_loss_scale
        self.residuals_profiled = cfg.residual_init == "none"

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Add the options without defaults, so that the architecture's preset can fill them in."""
        gen_parser_from_dataclass(parser, FlexDepthTransformerConfig(), delete_default=True)

    @classmethod
    def build_model(cls, cfg: Any, task: FairseqTask) -> "FlexDepthTransformer":
        """Check the options, then build the model.

        Args:
            cfg: the flat options: a Namespace or an omegaconf configuration.
            task: the task that trains or decodes with the model.

        Raises:
            ValueError: see :func:`~fairseq_flexdepth.models.config.check_options`; or activation checkpointing cannot
                be combined with the sub-networks.
        """
        config = nested_config(cfg)
        check_options(config, task)
        model = super().build_model(config, task)
        _check_checkpointing(model, config)
        return model

    @classmethod
    def build_embedding(
        cls, cfg: TransformerConfig, dictionary: Dictionary, embed_dim: int, path: Optional[str] = None
    ) -> nn.Embedding:
        """Build the embeddings as fairseq does, from the text file *path* if it is given.

        Raises:
            ValueError: the file cannot be read; the message names ``--encoder-embed-path`` or ``--decoder-embed-path``.
        """
        try:
            return super().build_embedding(cfg, dictionary, embed_dim, path)
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: another width
            if path is None:
                raise
            side = "encoder" if path == cfg.encoder.embed_path else "decoder"
            reason = f"cannot be read as text with an embedding per line: {brief(error)}"
            resume = "; leave it out to resume a training, whose checkpoint has all weights"
            raise ValueError(f"--{side}-embed-path {path}: {reason}{resume}") from error

    @classmethod
    def build_encoder(
        cls, cfg: TransformerConfig, src_dict: Dictionary, embed_tokens: nn.Embedding
    ) -> FlexDepthEncoder:
        """Build a FlexDepthEncoder."""
        return FlexDepthEncoder(cfg, src_dict, embed_tokens)

    @classmethod
    def build_decoder(
        cls, cfg: TransformerConfig, tgt_dict: Dictionary, embed_tokens: nn.Embedding
    ) -> FlexDepthDecoder:
        """Build a FlexDepthDecoder."""
        return FlexDepthDecoder(cfg, tgt_dict, embed_tokens, no_encoder_attn=cfg.no_cross_attention)

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
        accuracy: bool = False,
    ) -> Any:
        """Compute the output of fairseq's ``transformer``, or with a *target* the losses of all pairs of *depths*.

        Args:
            src_tokens: batch × source length.
            src_lengths: batch.
            prev_output_tokens: batch × target length.
            return_all_hiddens, features_only, alignment_layer, alignment_heads: see fairseq; not used with *target*.
            target: batch × target length.
            label_smoothing: ε of fairseq's label-smoothed cross-entropy.
            depths: the depth pairs to compute; by default the whole depth space.
            pair_weights: pairs, the weight of each of ``depths.pairs`` in the loss; by default equal, of sum 1.
            accumulate: in training, run one sub-network after another, which takes less memory.
            distillation: a teacher for all pairs; its mixture then replaces *label_smoothing*.
            sentence_weights: batch, the factor of each sentence in every loss.
            trace: also return the layer outputs of the deepest pair; not with *accumulate*.
            accuracy: also count the target words that are the most probable ones.

        Returns:
            With *target*, the dict that :func:`~fairseq_flexdepth.models.depth_losses.stacked_losses` describes.
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
        # A criterion gives a tensor on the device; a list costs one copy to it.
        words = src_tokens, src_lengths, prev_output_tokens, target
        weights = pair_weights if torch.is_tensor(pair_weights) else on_device_of(target, pair_weights)
        batch = DepthBatch(*words, label_smoothing, depths, weights, distillation, sentence_weights, trace, accuracy)
        training = self.training and torch.is_grad_enabled()  # without gradients nothing is to be accumulated
        return accumulated_losses(self, batch) if accumulate and training else stacked_losses(self, batch)

    def profile_residuals(self, net_input: Dict[str, Tensor]) -> None:
        """Initialise Admin's residual scales from one batch ([liu2020]), to the same values on all processes.

        This runs a forward pass through all layer positions, without dropout and without gradients.

        Args:
            net_input: the arguments of :meth:`forward`, from the first process's batch.
        """
        training = self.training
        self.eval()
        encoder, decoder = self.encoder.layers, self.decoder.layers
        padding = [net_input[words].eq(self.decoder.padding_idx) for words in ("src_tokens", "prev_output_tokens")]
        # Every position needs its scale, whichever depth is set.
        with torch.no_grad(), encoder.all_layers_active(), decoder.all_layers_active():
            with profiled(encoder, padding[0]) as below, profiled(decoder, padding[1]) as above:
                super().forward(**net_input, features_only=True)
            # Processes have different batches, but need equal parameters. One value per sub-layer of both sides:
            values = broadcast_from_first(torch.cat([below.values, above.values]))
            for scale, value in zip(below.scales + above.scales, values):
                scale.fill_(value)
        self.train(training)
        self.residuals_profiled = True

    def set_num_updates(self, num_updates: int) -> None:
        """Store the update number: it seeds the random choice of depths (``--sample-encoder-depths``)."""
        super().set_num_updates(num_updates)
        self.num_updates = num_updates

    def set_loss_scale(self, scale: float) -> None:
        """Store the factor by which the optimizer will multiply the next loss, for ``--accumulate-depths``."""
        self.loss_scale = scale

    def load_state_dict(self, state_dict: Dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint as fairseq does.

        Raises:
            ValueError: its dictionaries, layers, embeddings or ``--residual-init`` are not this model's, or weights are
                missing or left over.
        """
        fit_keys(self, state_dict)
        check_fits(self, state_dict)
        self.residuals_profiled = True  # the checkpoint has trained scales
        try:
            return super().load_state_dict(state_dict, *args, **kwargs)
        except (RuntimeError, KeyError) as error:  # KeyError comes from the layers of fairseq 0.12.2
            raise ValueError(f"the checkpoint's weights do not match this model: {brief(error)}") from error


def _check_checkpointing(model: FlexDepthTransformer, cfg: TransformerConfig) -> None:
    """Refuse activation checkpointing under torch's DDP where a depth plan runs a layer more than once per update."""
    if not reentrant_under_ddp(cfg):
        return
    if any(len(plan.runs) > len(plan.positions) for plan in model.plans(model.depth_space)):
        raise ValueError(
            f"--checkpoint-activations: with --subnetworks {cfg.subnetworks}, --ddp-backend {cfg.ddp_backend} would "
            "see a parameter's gradient once per run; use --ddp-backend legacy_ddp"
        )
