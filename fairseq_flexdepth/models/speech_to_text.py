"""fairseq's speech-to-text Transformer with shared layers (layer_sharing §4)."""

import os
from argparse import Namespace
from copy import copy
from typing import Any, Dict

from fairseq.checkpoint_utils import load_pretrained_component_from_model
from fairseq.models.speech_to_text.s2t_transformer import S2TTransformerModel, s2t_transformer_m
from fairseq.utils import safe_getattr

from fairseq_flexdepth.compat import (
    add_positions_key,
    disable_encoder_fast_path,
    drop_fast_path_keys,
    register_architecture,
    register_model,
)
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
        check_sharing(args)
        model = super().build_model(args, task)
        share_side(model.decoder.layers, args, "decoder", args.decoder_layerdrop)
        return model

    @classmethod
    def build_encoder(cls, args: Any) -> Any:
        """As fairseq's, which would load ``--load-pretrained-encoder-from`` before the layers are shared.

        Raises:
            ValueError: that file does not exist.
        """
        pretrained = getattr(args, "load_pretrained_encoder_from", None)
        untrained = copy(args)
        untrained.load_pretrained_encoder_from = None
        encoder = super().build_encoder(untrained)
        disable_encoder_fast_path(encoder.transformer_layers)
        share_side(encoder.transformer_layers, args, "encoder")
        if pretrained is None:
            return encoder
        if not os.path.isfile(pretrained):
            raise ValueError(f"--load-pretrained-encoder-from {pretrained}: no such file")
        return load_pretrained_component_from_model(encoder, pretrained)

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> None:
        """Also accept a checkpoint of the other stack."""
        prefix = f"{name}." if name else ""
        for index, layer in enumerate(self.encoder.transformer_layers):
            drop_fast_path_keys(state_dict, f"{prefix}encoder.transformer_layers.{index}", layer)
        add_positions_key(state_dict, f"{prefix}encoder.embed_positions", self.encoder.embed_positions)
        super().upgrade_state_dict_named(state_dict, name)


def cycle_shared_s2t_transformer(args: Namespace) -> None:
    """CYCLE (REV), 16 encoder positions over 8 layers and 8 decoder positions over 4, in the sizes of T-Md."""
    refuse(args, _REFUSED)
    args.encoder_layers = safe_getattr(args, "encoder_layers", 16)
    args.decoder_layers = safe_getattr(args, "decoder_layers", 8)
    share_by_default(args, "cycle_rev", encoder=8, decoder=4)
    s2t_transformer_m(args)


register_architecture("cycle_shared_s2t_transformer", "cycle_shared_s2t_transformer")(cycle_shared_s2t_transformer)
