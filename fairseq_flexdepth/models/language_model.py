"""fairseq's Transformer language model with shared layers (layer_sharing, Appendix A)."""

from argparse import Namespace
from dataclasses import dataclass, field
from typing import Any, Optional

from fairseq.dataclass import ChoiceEnum
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.transformer_lm import (
    TransformerLanguageModel,
    TransformerLanguageModelConfig,
    transformer_lm_baevski_wiki103,
)
from omegaconf import II

from fairseq_flexdepth.compat import register_model, register_own_architecture
from fairseq_flexdepth.models.layer_sharing import HELP, LAYER_SHARING, check_sharing, share_side
from fairseq_flexdepth.models.refused_options import DEPTH_OPTIONS, ENCODER_OPTIONS, add_refused, refuse

_REFUSED = {
    **dict.fromkeys(ENCODER_OPTIONS, "a language model has no encoder"),
    **dict.fromkeys(DEPTH_OPTIONS, "a language model runs at its full depth"),
    "--residual-init": "a language model is Pre-LN, which needs no residual scales",
}


@dataclass
class SharedLanguageModelConfig(TransformerLanguageModelConfig):
    """fairseq's options of a Transformer language model, and what its layers share."""

    layer_sharing: ChoiceEnum(LAYER_SHARING) = field(  # type: ignore[valid-type]
        default="none", metadata={"help": HELP["layer_sharing"]}
    )
    unique_decoder_layers: Optional[int] = field(default=None, metadata={"help": HELP["unique_decoder_layers"]})
    ddp_backend: str = II("distributed_training.ddp_backend")


@register_model("cycle_shared_transformer_lm", dataclass=SharedLanguageModelConfig)
class SharedLanguageModel(TransformerLanguageModel):
    """fairseq's Transformer language model whose layer positions share unique layers."""

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Add the options, without defaults, so that those of the architecture hold."""
        gen_parser_from_dataclass(parser, SharedLanguageModelConfig(), delete_default=True)
        add_refused(parser, _REFUSED)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> "SharedLanguageModel":
        check_sharing(args)
        model = super().build_model(args, task)
        share_side(model.decoder.layers, args, "decoder", args.decoder_layerdrop)
        return model


def cycle_shared_transformer_lm(args: Namespace) -> None:
    """CYCLE (REV) with M = 6 and N = 12, otherwise Baevski & Auli's configuration for WikiText-103."""
    refuse(args, _REFUSED)
    args.decoder_layers = getattr(args, "decoder_layers", 12)
    args.layer_sharing = getattr(args, "layer_sharing", "cycle_rev")
    if args.layer_sharing != "none":
        args.unique_decoder_layers = getattr(args, "unique_decoder_layers", 6)
    transformer_lm_baevski_wiki103(args)
    check_sharing(args)


register_own_architecture("cycle_shared_transformer_lm", cycle_shared_transformer_lm)
