"""fairseq's Transformer language model with shared layers (layer_sharing, Appendix A)."""

from argparse import Namespace
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, Callable, Optional

from fairseq.dataclass import ChoiceEnum
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.transformer_lm import (
    TransformerLanguageModel,
    TransformerLanguageModelConfig,
    transformer_lm_baevski_wiki103,
)
from fairseq.utils import safe_getattr
from omegaconf import II

from fairseq_flexdepth.compat import register_model, register_own_architecture
from fairseq_flexdepth.models.layer_sharing import HELP, LAYER_SHARING, check_sharing, share_by_default, share_side
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


def cycle_shared_transformer_lm(args: Namespace) -> None:
    """CYCLE (REV) with M = 6 and N = 12, otherwise Baevski & Auli's configuration for WikiText-103."""
    refuse(args, _REFUSED)
    args.decoder_layers = safe_getattr(args, "decoder_layers", 12)
    share_by_default(args, "cycle_rev", decoder=6)
    transformer_lm_baevski_wiki103(args)


def _with_defaults_of(preset: Callable[[Namespace], None], config: type) -> type:
    """*config* with the defaults that *preset* fills in: fairseq applies no preset to options from YAML."""
    filled = Namespace()
    preset(filled)
    changed = []
    for option in fields(config):
        interpolated = isinstance(option.default, str) and option.default.startswith("${")
        if hasattr(filled, option.name) and not interpolated:
            value = getattr(filled, option.name)
            if option.type == Optional[int] and value is not None:
                value = int(value)  # fairseq fills --base-shuffle with a truth value, which omegaconf refuses
            changed.append((option.name, option.type, field(default=value, metadata=option.metadata)))
    return make_dataclass(f"Preset{config.__name__}", changed, bases=(config,))


@register_model(
    "cycle_shared_transformer_lm", dataclass=_with_defaults_of(cycle_shared_transformer_lm, SharedLanguageModelConfig)
)
class SharedLanguageModel(TransformerLanguageModel):
    """fairseq's Transformer language model whose layer positions share unique layers."""

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Add the options, without defaults, so that those of the architecture hold."""
        gen_parser_from_dataclass(parser, SharedLanguageModelConfig(), delete_default=True)
        add_refused(parser, _REFUSED)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> "SharedLanguageModel":
        """As fairseq's, with shared layers.

        Raises:
            ValueError: the sharing options contradict each other, or what they cannot be combined with.
        """
        check_sharing(args)
        model = super().build_model(args, task)
        share_side(model.decoder.layers, args, "decoder", args.decoder_layerdrop)
        return model


register_own_architecture("cycle_shared_transformer_lm", cycle_shared_transformer_lm)
