"""fairseq's speech-to-text Transformer with shared layers (layer_sharing §4)."""

from argparse import Namespace
from typing import Any, Dict

from fairseq.models.speech_to_text.s2t_transformer import S2TTransformerModel, s2t_transformer_m
from fairseq.utils import safe_getattr

from fairseq_flexdepth.compat import (
    add_positions_key,
    disable_encoder_fast_path,
    drop_fast_path_keys,
    register_architecture,
    register_model,
)
from fairseq_flexdepth.files.checkpoints import brief, read_checkpoint
from fairseq_flexdepth.models.layer_sharing import HELP, LAYER_SHARING, check_sharing, share_by_default, share_side
from fairseq_flexdepth.models.refused_options import DEPTH_OPTIONS, add_refused, refuse

_REFUSED = {
    **dict.fromkeys(DEPTH_OPTIONS, "a speech model runs at its full depth"),
    "--residual-init": "a speech model is Pre-LN, which needs no residual scales",
}


@register_model("cycle_shared_s2t_transformer")
class SharedSpeechToTextModel(S2TTransformerModel):
    """fairseq's speech-to-text Transformer whose layer positions share unique layers."""

    @staticmethod
    def add_args(parser: Any) -> None:
        """Add fairseq's options, ours, and those that get an answer."""
        S2TTransformerModel.add_args(parser)
        parser.add_argument("--layer-sharing", choices=LAYER_SHARING, help=HELP["layer_sharing"])
        for side in ("encoder", "decoder"):
            parser.add_argument(
                f"--unique-{side}-layers", type=int, metavar="M", help=HELP[f"unique_{side}_layers"]
            )
        add_refused(parser, _REFUSED)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> "SharedSpeechToTextModel":
        """As fairseq's, with shared layers.

        Raises:
            ValueError: the sharing options contradict each other, or what they cannot be combined with.
        """
        check_sharing(args)
        model = super().build_model(args, task)
        share_side(model.decoder.layers, args, "decoder", args.decoder_layerdrop)
        return model

    @classmethod
    def build_encoder(cls, args: Any) -> Any:
        """As fairseq's, which would load ``--load-pretrained-encoder-from`` before the layers are shared.

        A checkpoint does without that file: the option is taken from *args*, which it keeps.

        Raises:
            ValueError: that file does not exist, or does not hold such an encoder.
        """
        pretrained, args.load_pretrained_encoder_from = getattr(args, "load_pretrained_encoder_from", None), None
        encoder = super().build_encoder(args)
        disable_encoder_fast_path(encoder.transformer_layers)
        share_side(encoder.transformer_layers, args, "encoder")
        if pretrained is not None:
            _load_encoder(encoder, pretrained)
        return encoder

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> None:
        """Also accept a checkpoint of the other stack."""
        _accept_other_stack(state_dict, f"{name}.encoder" if name else "encoder", self.encoder)
        super().upgrade_state_dict_named(state_dict, name)


def _accept_other_stack(state_dict: Dict[str, Any], prefix: str, encoder: Any) -> None:
    for index, layer in enumerate(encoder.transformer_layers):
        drop_fast_path_keys(state_dict, f"{prefix}.transformer_layers.{index}", layer)
    add_positions_key(state_dict, f"{prefix}.embed_positions", encoder.embed_positions)


def _load_encoder(encoder: Any, path: str) -> None:
    """Give *encoder* the weights of the encoder in the checkpoint *path*."""
    option = "--load-pretrained-encoder-from"
    state = read_checkpoint(option, path)["model"]
    weights = {key: value for key, value in state.items() if key.startswith("encoder.")}
    _accept_other_stack(weights, "encoder", encoder)
    try:
        encoder.load_state_dict({key[len("encoder.") :]: value for key, value in weights.items()}, strict=True)
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"{option} {path}: does not hold the encoder of this model: {brief(error)}") from error


def cycle_shared_s2t_transformer(args: Namespace) -> None:
    """CYCLE (REV), 16 encoder positions over 8 layers and 8 decoder positions over 4, in the sizes of T-Md."""
    refuse(args, _REFUSED)
    args.encoder_layers = safe_getattr(args, "encoder_layers", 16)
    args.decoder_layers = safe_getattr(args, "decoder_layers", 8)
    share_by_default(args, "cycle_rev", encoder=8, decoder=4)
    s2t_transformer_m(args)


register_architecture("cycle_shared_s2t_transformer", "cycle_shared_s2t_transformer")(cycle_shared_s2t_transformer)
