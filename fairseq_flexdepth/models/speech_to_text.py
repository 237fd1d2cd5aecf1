"""One speech-to-text Transformer for every depth: fairseq's model, run at one depth pair or at all of them."""

from argparse import ArgumentParser, Namespace
from dataclasses import fields
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple

from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.speech_to_text import s2t_transformer as fairseqs
from fairseq.models.speech_to_text.s2t_transformer import S2TTransformerModel
from fairseq.models.transformer import TransformerConfig
from fairseq.tasks import FairseqTask
from fairseq.utils import safe_getattr
from torch import Tensor, nn

from fairseq_flexdepth.compat import register_architecture, register_model
from fairseq_flexdepth.models.any_depth import AnyDepthModel
from fairseq_flexdepth.models.config import DepthSpaceConfig, check_sizes, nested_config
from fairseq_flexdepth.models.full_depth_sharing import DEPTH_OPTIONS, add_refused, refuse
from fairseq_flexdepth.models.layer_sharing import SharingConfig, check_sharing, cycle_rev_by_default, share_by_default
from fairseq_flexdepth.models.speech_encoder import FlexDepthSpeechEncoder
from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder

_REFUSED = {"--residual-init": "a speech model is Pre-LN, which needs no residual scales"}
_REFUSED_AT_FULL_DEPTH = {
    **_REFUSED,
    **dict.fromkeys(DEPTH_OPTIONS, "this model runs at its full depth, unlike tied_multi_s2t_transformer"),
}


class FlexDepthSpeechDecoder(FlexDepthDecoder):
    """Our text decoder, whose output also has the encoder's, as that of fairseq's speech decoder does."""

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[Dict[str, List[Tensor]]],
        incremental_state: Optional[Dict[str, Dict[str, Optional[Tensor]]]] = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tuple[Tensor, Dict[str, Any]]:
        """Run the layers as :class:`FlexDepthDecoder` does; a CTC loss reads the encoder's output."""
        x, extra = super().extract_features(prev_output_tokens, encoder_out, incremental_state, *args, **kwargs)
        whole: Dict[str, Any] = dict(extra)
        if incremental_state is None:
            whole["encoder_out"] = encoder_out
        return x, whole


@register_model("tied_multi_s2t_transformer")
class FlexDepthSpeechModel(AnyDepthModel, S2TTransformerModel):
    """fairseq's speech-to-text Transformer, trained for, and decoding at, every depth pair of its depth space.

    Called without a *target*, it computes what fairseq's ``s2t_transformer`` computes, at the depth pair set by
    :meth:`set_depth` (by default the deepest). Called with a *target*, it returns the losses of many depth pairs.
    """

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Add fairseq's options, those of depths, of layer sharing and of LayerDrop, and the refused options."""
        S2TTransformerModel.add_args(parser)
        for config in (DepthSpaceConfig(), SharingConfig()):
            gen_parser_from_dataclass(parser, config, delete_default=True)
        for side in ("encoder", "decoder"):  # fairseq's speech model has no such options
            parser.add_argument(
                f"--{side}-layerdrop", type=float, metavar="D", help=f"LayerDrop probability for {side}"
            )
        add_refused(parser, _REFUSED)

    @classmethod
    def build_model(cls, args: Namespace, task: FairseqTask) -> "FlexDepthSpeechModel":
        """Check the options, then build the model.

        Raises:
            ValueError: sizes do not fit each other, the sharing options contradict each other or other options, the
                depths do not fit the number of layers, or the task has further tasks.
        """
        if getattr(task, "multitask_tasks", None):
            raise ValueError(
                f"--multitask-config-yaml {task.args.multitask_config_yaml}: a model of many depths has no decoders "
                "for further tasks; leave the option out"
            )
        fairseqs.base_architecture(args)  # as fairseq's build_model does
        cfg = nested_config(args)
        check_sizes(cfg)
        check_sharing(cfg)
        model = super().build_model(args, task)
        model.cfg = cfg
        model.support_depths(cfg)
        return model

    @classmethod
    def build_encoder(cls, args: Namespace) -> FlexDepthSpeechEncoder:
        """Build the encoder, then load ``--load-pretrained-encoder-from`` into it.

        The option is removed from *args*, which the trainer saves, so that a checkpoint can be read without the file.

        Raises:
            ValueError: the file does not exist, or does not hold an encoder of this shape.
        """
        pretrained, args.load_pretrained_encoder_from = getattr(args, "load_pretrained_encoder_from", None), None
        encoder = FlexDepthSpeechEncoder(args, nested_config(args))
        if pretrained is not None:
            encoder.load_pretrained(pretrained)
        return encoder

    @classmethod
    def build_decoder(cls, args: Namespace, task: FairseqTask, embed_tokens: nn.Embedding) -> FlexDepthSpeechDecoder:
        """Build the decoder."""
        dictionary: Dictionary = task.target_dictionary
        return FlexDepthSpeechDecoder(nested_config(args), dictionary, embed_tokens)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor,
        prev_output_tokens: Tensor,
        target: Optional[Tensor] = None,
        **options: Any,
    ) -> Any:
        """Compute the output of fairseq's ``s2t_transformer``, or with a *target* the losses of many depth pairs.

        Args:
            src_tokens: batch × frames × channels.
            src_lengths: batch, in frames.
            prev_output_tokens: batch × target length.
            target: batch × target length.
            options: see :meth:`losses_of_depths`, whose result is returned with *target*.
        """
        if target is None:
            return super().forward(src_tokens, src_lengths, prev_output_tokens)
        return self.losses_of_depths((src_tokens, src_lengths, prev_output_tokens, target), **options)


@register_model("cycle_shared_s2t_transformer")
class FullDepthSpeechModel(FlexDepthSpeechModel):
    """The speech model whose layers are shared, always run at its full depth ([takase2021] §4)."""

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Add fairseq's options, those of layer sharing, and the refused options."""
        S2TTransformerModel.add_args(parser)
        gen_parser_from_dataclass(parser, SharingConfig(), delete_default=True)
        add_refused(parser, _REFUSED_AT_FULL_DEPTH)

    def support_depths(self, cfg: TransformerConfig) -> None:
        """Set the full depth as the only one."""
        cfg.encoder_depths, cfg.decoder_depths = str(len(self.encoder.layers)), str(len(self.decoder.layers))
        super().support_depths(cfg)


Architecture = Callable[[Namespace], None]


def tied_multi_s2t_transformer(size: Architecture, args: Namespace) -> None:
    """Set the defaults of no sharing, of all depths and of no LayerDrop, then those of one of fairseq's sizes."""
    refuse(args, _REFUSED)
    share_by_default(args, "none")
    for option in fields(DepthSpaceConfig):
        if not option.name.startswith("_"):
            setattr(args, option.name, safe_getattr(args, option.name, option.default))
    for layerdrop in ("encoder_layerdrop", "decoder_layerdrop"):
        setattr(args, layerdrop, safe_getattr(args, layerdrop, 0.0))
    size(args)


def cycle_shared_s2t_transformer(args: Namespace) -> None:
    """Set the defaults of CYCLE (REV): 8 unique layers at 16 encoder positions, 4 at 8 decoder positions, as T-Md."""
    refuse(args, _REFUSED_AT_FULL_DEPTH)
    cycle_rev_by_default(args, encoder=(16, 8), decoder=(8, 4))
    fairseqs.s2t_transformer_m(args)


_SIZES: Dict[str, Architecture] = {
    "": fairseqs.base_architecture,
    **{f"_{name}": getattr(fairseqs, f"s2t_transformer_{name}") for name in ("xs", "s", "sp", "m", "mp", "l", "lp")},
}
for _suffix, _size in _SIZES.items():
    _name = f"tied_multi_s2t_transformer{_suffix}"
    register_architecture("tied_multi_s2t_transformer", _name)(partial(tied_multi_s2t_transformer, _size))
register_architecture("cycle_shared_s2t_transformer", "cycle_shared_s2t_transformer")(cycle_shared_s2t_transformer)
