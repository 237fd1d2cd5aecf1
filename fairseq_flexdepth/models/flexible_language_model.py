"""One Transformer language model for every depth: fairseq's model, run at one decoder depth or at all of them."""

from argparse import ArgumentParser, Namespace
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterator, Optional

from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import transformer_lm
from fairseq.models.transformer_lm import TransformerLanguageModel
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.compat import register_architecture, register_model, register_own_architecture
from fairseq_flexdepth.models.any_decoder_depth import AnyDecoderDepthModel
from fairseq_flexdepth.models.any_depth import check_checkpointing
from fairseq_flexdepth.models.config import DecoderDepthsConfig, check_base_layers, check_sizes, nested_config
from fairseq_flexdepth.models.full_depth_sharing import add_refused, refuse
from fairseq_flexdepth.models.language_model import ENCODER_OPTIONS, SharedLanguageModelConfig, check_cutoffs
from fairseq_flexdepth.models.layer_sharing import check_sharing, share_by_default
from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder

_REFUSED = {
    **dict.fromkeys(ENCODER_OPTIONS, "a language model has no encoder"),
    "--residual-init": "is for translation models",
}


@dataclass
class FlexDepthLanguageModelConfig(DecoderDepthsConfig, SharedLanguageModelConfig):
    """fairseq's options of a Transformer language model, the depth options, and the options of layer sharing."""


class FlexDepthLanguageModelDecoder(FlexDepthDecoder):
    """A decoder of many depths, built from the flat options that fairseq's language model gives."""

    def __init__(self, args: Any, dictionary: Dictionary, embed_tokens: nn.Module, no_encoder_attn: bool) -> None:
        self.args = args  # as fairseq's TransformerDecoder has them
        super().__init__(nested_config(args), dictionary, embed_tokens, no_encoder_attn)


@register_model("tied_multi_transformer_lm", dataclass=FlexDepthLanguageModelConfig)
class FlexDepthLanguageModel(AnyDecoderDepthModel, TransformerLanguageModel):
    """A Transformer language model that is trained for, and runs at, every decoder depth of its depth space.

    The method is [dabre2020] §3 without the encoder. Called without a *target*, the model computes what fairseq's
    ``transformer_lm`` computes, at the depth set by :meth:`set_depth` (by default the deepest). Called with a *target*,
    it returns the losses of many depths.

    Args:
        decoder: the decoder.

    Raises:
        ValueError: ``--decoder-depths`` does not fit the number of layers.
    """

    def __init__(self, decoder: FlexDepthLanguageModelDecoder) -> None:
        super().__init__(decoder)
        self.cfg = decoder.cfg
        self.support_depths(self.cfg)

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Add the options without defaults, so that the architecture's preset can fill them in."""
        gen_parser_from_dataclass(parser, FlexDepthLanguageModelConfig(), delete_default=True)
        add_refused(parser, _REFUSED)

    @classmethod
    def build_model(cls, args: Any, task: FairseqTask) -> "FlexDepthLanguageModel":
        """Check the options, then let fairseq build the model with our decoder.

        Args:
            args: the options: a Namespace or an omegaconf configuration.
            task: the task that trains or decodes with the model.

        Raises:
            ValueError: options contradict each other, the dictionary or the depths.
        """
        config = nested_config(args)
        check_base_layers(config)
        check_sizes(config, ["decoder"])
        check_sharing(config)
        check_cutoffs(args, task)
        with _built_with(FlexDepthLanguageModelDecoder):
            model = super().build_model(args, task)
        check_checkpointing(model, config)
        return model

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Optional[Tensor] = None,
        target: Optional[Tensor] = None,
        **options: Any,
    ) -> Any:
        """Compute the output of fairseq's ``transformer_lm``, or with a *target* the losses of many depths.

        Args:
            src_tokens: batch × length.
            src_lengths: batch.
            target: batch × length.
            options: further arguments of fairseq's decoder; with *target*, of :meth:`losses_of_depths`, whose result
                is then returned.
        """
        if target is None:
            return super().forward(src_tokens, src_lengths=src_lengths, **options)
        return self.losses_of_depths((src_tokens, src_lengths, src_tokens, target), **options)


@contextmanager
def _built_with(decoder: type) -> Iterator[None]:
    """Within this context fairseq's language model is built with this class of decoder: it has no hook for that."""
    own, transformer_lm.TransformerDecoder = transformer_lm.TransformerDecoder, decoder
    try:
        yield
    finally:
        transformer_lm.TransformerDecoder = own


def _preset(size: Callable[[Namespace], None], args: Namespace) -> None:
    """Set the defaults of one of fairseq's language models, without layer sharing.

    Raises:
        ValueError: an option is refused, or layer sharing cannot be combined with the other options.
    """
    refuse(args, _REFUSED)
    share_by_default(args, "none")
    size(args)


_SIZES: Dict[str, Callable[[Namespace], None]] = {
    "_big": transformer_lm.transformer_lm_big,
    "_wiki103": transformer_lm.transformer_lm_baevski_wiki103,
    "_gbw": transformer_lm.transformer_lm_baevski_gbw,
    "_gpt": transformer_lm.transformer_lm_gpt,
}

# The model's own preset sets nothing more: --arch transformer_lm has the defaults of the options.
register_own_architecture("tied_multi_transformer_lm", partial(_preset, lambda args: None))
for _suffix, _size in _SIZES.items():
    register_architecture("tied_multi_transformer_lm", f"tied_multi_transformer_lm{_suffix}")(partial(_preset, _size))
