"""fairseq's speech-to-text Transformer with shared layers ([takase2021] §4)."""

from argparse import ArgumentParser, Namespace
from typing import Any, Dict

from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models.speech_to_text.s2t_transformer import S2TTransformerModel, s2t_transformer_m

from fairseq_flexdepth.compat import (
    add_positions_key,
    disable_encoder_fast_path,
    drop_fast_path_keys,
    register_architecture,
    register_model,
)
from fairseq_flexdepth.files.checkpoints import brief, read_checkpoint
from fairseq_flexdepth.models.full_depth_sharing import FullDepthSharing, add_refused, refuse, refused_options
from fairseq_flexdepth.models.layer_sharing import SharingConfig, cycle_rev_by_default, share_side

_REFUSED = refused_options("a speech model")
_PRETRAINED = "--load-pretrained-encoder-from"


@register_model("cycle_shared_s2t_transformer")
class SharedSpeechToTextModel(FullDepthSharing, S2TTransformerModel):
    """fairseq's speech-to-text Transformer whose layer positions share unique layers."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Add fairseq's options, the options of layer sharing, and the refused options."""
        S2TTransformerModel.add_args(parser)
        gen_parser_from_dataclass(parser, SharingConfig(), delete_default=True)
        add_refused(parser, _REFUSED)

    @classmethod
    def build_encoder(cls, args: Namespace) -> Any:
        """Build fairseq's encoder, tie its parameters, then load ``--load-pretrained-encoder-from`` into it.

        fairseq would load that file before the layers are shared. The option is removed from *args*, which the trainer
        saves, so that a checkpoint can be read without the file.

        Raises:
            ValueError: the file does not exist, or does not hold an encoder of this shape.
        """
        pretrained, args.load_pretrained_encoder_from = getattr(args, "load_pretrained_encoder_from", None), None
        encoder = super().build_encoder(args)
        disable_encoder_fast_path(encoder.transformer_layers)  # its untrained copies of the weights are not to be tied
        share_side(encoder.transformer_layers, args, "encoder")
        if pretrained is not None:
            _load_encoder(encoder, pretrained)
        return encoder

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> None:
        """Upgrade a checkpoint as fairseq does, also one that the other supported fairseq version saved."""
        _accept_other_stack(state_dict, f"{name}.encoder" if name else "encoder", self.encoder)
        super().upgrade_state_dict_named(state_dict, name)


def _accept_other_stack(state_dict: Dict[str, Any], prefix: str, encoder: Any) -> None:
    """Drop and add keys of *state_dict* in which the two supported fairseq versions differ."""
    for index, layer in enumerate(encoder.transformer_layers):
        drop_fast_path_keys(state_dict, f"{prefix}.transformer_layers.{index}", layer)
    add_positions_key(state_dict, f"{prefix}.embed_positions", encoder.embed_positions)


def _load_encoder(encoder: Any, path: str) -> None:
    """Load the encoder weights of the checkpoint *path*, which may be one of another task, into *encoder*."""
    state = read_checkpoint(_PRETRAINED, path)["model"]
    weights = {key: value for key, value in state.items() if key.startswith("encoder.")}
    _accept_other_stack(weights, "encoder", encoder)
    try:
        encoder.load_state_dict({key[len("encoder.") :]: value for key, value in weights.items()}, strict=True)
    except (RuntimeError, KeyError) as error:  # KeyError comes from the encoder layers of fairseq 0.12.2
        raise ValueError(f"{_PRETRAINED} {path}: does not hold the encoder of this model: {brief(error)}") from error


def cycle_shared_s2t_transformer(args: Namespace) -> None:
    """Set the defaults of CYCLE (REV): 8 unique layers at 16 encoder positions, 4 at 8 decoder positions, as T-Md."""
    refuse(args, _REFUSED)
    cycle_rev_by_default(args, encoder=(16, 8), decoder=(8, 4))
    s2t_transformer_m(args)


register_architecture("cycle_shared_s2t_transformer", "cycle_shared_s2t_transformer")(cycle_shared_s2t_transformer)
