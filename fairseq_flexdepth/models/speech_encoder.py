"""fairseq's speech-to-text encoder, run at one depth or at many depths at once."""

from argparse import Namespace
from typing import Any, Dict

from fairseq.models.speech_to_text.s2t_transformer import S2TTransformerEncoder
from fairseq.models.transformer import TransformerConfig

from fairseq_flexdepth.compat import add_positions_key, disable_encoder_fast_path, drop_fast_path_keys
from fairseq_flexdepth.files.checkpoints import brief, read_checkpoint
from fairseq_flexdepth.models.any_depth_encoder import AnyDepthEncoder
from fairseq_flexdepth.models.layer_sharing import share_side
from fairseq_flexdepth.modules.depth_layers import DepthLayers

_PRETRAINED = "--load-pretrained-encoder-from"


class FlexDepthSpeechEncoder(AnyDepthEncoder, S2TTransformerEncoder):
    """fairseq's speech encoder with layers that can run at any depth: see ``layers.active``.

    While ``--encoder-freezing-updates`` freezes it, its parameters get no gradients, as in fairseq.

    Args:
        args: fairseq's options.
        cfg: all options, nested.
    """

    transformer_layers: DepthLayers

    def __init__(self, args: Namespace, cfg: TransformerConfig) -> None:
        super().__init__(args)
        layers = list(self.transformer_layers.children())
        disable_encoder_fast_path(layers)  # its untrained copies of the weights are not to be tied
        self.transformer_layers = DepthLayers(layers, cfg.encoder.layerdrop)
        share_side(self.layers, cfg, "encoder", cfg.encoder.layerdrop)

    @property
    def layers(self) -> DepthLayers:  # type: ignore[override]
        """The layers, which fairseq's speech encoder calls ``transformer_layers``."""
        return self.transformer_layers

    def upgrade_state_dict_named(self, state_dict: Dict[str, Any], name: str) -> Dict[str, Any]:
        """Upgrade a checkpoint as fairseq does, also one that the other supported fairseq version saved."""
        for index, layer in enumerate(self.layers.children()):
            drop_fast_path_keys(state_dict, f"{name}.transformer_layers.{index}", layer)
        add_positions_key(state_dict, f"{name}.embed_positions", self.embed_positions)
        return super().upgrade_state_dict_named(state_dict, name)

    def load_pretrained(self, path: str) -> None:
        """Load the encoder weights of the checkpoint *path*, which may be one of another task.

        Raises:
            ValueError: the file does not exist, or does not hold an encoder of this shape.
        """
        state = read_checkpoint(_PRETRAINED, path)["model"]
        weights = {key: value for key, value in state.items() if key.startswith("encoder.")}
        self.upgrade_state_dict_named(weights, "encoder")
        try:
            self.load_state_dict({key[len("encoder.") :]: value for key, value in weights.items()}, strict=True)
        except (RuntimeError, KeyError) as error:  # KeyError comes from the encoder layers of fairseq 0.12.2
            raise ValueError(
                f"{_PRETRAINED} {path}: does not hold the encoder of this model: {brief(error)}"
            ) from error
