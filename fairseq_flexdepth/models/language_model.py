"""fairseq's Transformer language model with shared layers ([takase2021] Appendix A)."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, Callable, Optional

from fairseq import utils
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.transformer_lm import (
    TransformerLanguageModel,
    TransformerLanguageModelConfig,
    transformer_lm_baevski_wiki103,
)

from fairseq_flexdepth.compat import register_model, register_own_architecture
from fairseq_flexdepth.models.full_depth_sharing import FullDepthSharing, add_refused, refuse, refused_options
from fairseq_flexdepth.models.layer_sharing import DecoderSharingConfig, cycle_rev_by_default

ENCODER_OPTIONS = ("--encoder-layers", "--encoder-layerdrop", "--unique-encoder-layers", "--encoder-depths")
_REFUSED = {
    **refused_options("a language model"),
    **dict.fromkeys(
        ("--decoder-depths", "--subnetworks"), "this model runs at its full depth, tied_multi_transformer_lm at any"
    ),
    **dict.fromkeys(ENCODER_OPTIONS, "a language model has no encoder"),
}


@dataclass
class SharedLanguageModelConfig(DecoderSharingConfig, TransformerLanguageModelConfig):
    """fairseq's options of a Transformer language model, and the options of layer sharing."""


def cycle_shared_transformer_lm(args: Namespace) -> None:
    """Set the defaults of CYCLE (REV): N = 12 positions, M = 6 layers; else as in [baevski2019] for WikiText-103."""
    refuse(args, _REFUSED)
    cycle_rev_by_default(args, decoder=(12, 6))
    transformer_lm_baevski_wiki103(args)


def _with_defaults_of(preset: Callable[[Namespace], None], config: type) -> type:
    """A subclass of *config* with the defaults of *preset*: fairseq applies no preset to options from YAML."""
    filled = Namespace()
    preset(filled)
    changed = []
    for option in fields(config):
        # An interpolation such as ${task.tokens_per_sample} must stay: it is resolved when the model is built.
        interpolated = isinstance(option.default, str) and option.default.startswith("${")
        if hasattr(filled, option.name) and not interpolated:
            value = getattr(filled, option.name)
            if option.type == Optional[int] and value is not None:
                value = int(value)  # fairseq's preset sets --base-shuffle to a bool, which omegaconf refuses
            changed.append((option.name, option.type, field(default=value, metadata=option.metadata)))
    return make_dataclass(f"Preset{config.__name__}", changed, bases=(config,))


@register_model(
    "cycle_shared_transformer_lm", dataclass=_with_defaults_of(cycle_shared_transformer_lm, SharedLanguageModelConfig)
)
class SharedLanguageModel(FullDepthSharing, TransformerLanguageModel):
    """fairseq's Transformer language model whose layer positions share unique layers."""

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Add the options without defaults, so that the architecture's preset can fill them in."""
        gen_parser_from_dataclass(parser, SharedLanguageModelConfig(), delete_default=True)
        add_refused(parser, _REFUSED)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> "SharedLanguageModel":
        """Build fairseq's model with shared layers.

        Raises:
            ValueError: a cutoff is beyond the dictionary, or the sharing options contradict each other.
        """
        check_cutoffs(args, task)
        return super().build_model(args, task)


def check_cutoffs(args: Any, task: Any) -> None:
    """Refuse cutoffs beyond the dictionary, for which fairseq raises an assertion without the option's name.

    Raises:
        ValueError: a cutoff is larger than the number of words.
    """
    asked = {"--adaptive-softmax-cutoff": (args.adaptive_softmax_cutoff, task.target_dictionary)}
    if args.adaptive_input:
        asked["--adaptive-input-cutoff"] = (args.adaptive_input_cutoff, task.source_dictionary)
    for option, (given, dictionary) in asked.items():
        if given is not None and max(utils.eval_str_list(given, type=int)) > len(dictionary):
            raise ValueError(f"{option} {given}: expected numbers of at most {len(dictionary)}, the dictionary's words")


register_own_architecture("cycle_shared_transformer_lm", cycle_shared_transformer_lm)
