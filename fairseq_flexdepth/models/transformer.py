"""One Transformer for every depth: fairseq's model, run at one depth pair or at all of them.

A depth pair (n, m) is an encoder depth n and a decoder depth m: n encoder layers run, and m decoder layers.
"""

from argparse import ArgumentParser
from typing import Any, Dict, Optional

import torch
from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.transformer import TransformerConfig, TransformerModelBase
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.compat import register_model
from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.models.any_depth import AnyDepthModel, check_checkpointing
from fairseq_flexdepth.models.config import FlexDepthTransformerConfig, check_options, nested_config
from fairseq_flexdepth.models.pretrained_keys import fit_keys
from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder
from fairseq_flexdepth.models.transformer_encoder import FlexDepthEncoder
from fairseq_flexdepth.modules.admin import broadcast_from_first, profiled


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
        check_checkpointing(model, config)
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
        **options: Any,
    ) -> Any:
        """Compute the output of fairseq's ``transformer``, or with a *target* the losses of many depth pairs.

        Args:
            src_tokens: batch × source length.
            src_lengths: batch.
            prev_output_tokens: batch × target length.
            return_all_hiddens, features_only, alignment_layer, alignment_heads: see fairseq; not used with *target*.
            target: batch × target length.
            options: see :meth:`losses_of_depths`, whose result is returned with *target*.
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
                **options,
            )
        return self.losses_of_depths((src_tokens, src_lengths, prev_output_tokens, target), **options)

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

    def load_state_dict(self, state_dict: Dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint as :class:`AnyDepthModel` does; Admin's residual scales are then set."""
        fit_keys(self, state_dict)
        result = super().load_state_dict(state_dict, *args, **kwargs)
        self.residuals_profiled = True  # the checkpoint has trained scales
        return result
