"""Check that a checkpoint fits the model that loads it, so that a mismatch names the option that causes it."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List

import torch
from fairseq.models import BaseFairseqModel

from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX

_CONVOLUTION = "encoder.subsample.conv_layers.0.weight"  # of a speech encoder


class FitsCheckpoint(BaseFairseqModel):
    """Mixin for a model that compares itself with a checkpoint before it loads it."""

    cfg: Any  # the options, nested

    def check_checkpoint(self, state_dict: Dict[str, Any]) -> None:
        """Compare the weights of a checkpoint with this model, as :func:`check_fits` does."""
        check_fits(self, state_dict)

    def load_state_dict(self, state_dict: Dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint as fairseq does.

        Raises:
            ValueError: its dictionaries, layers or ``--residual-init`` are not this model's, or weights are missing.
        """
        self.check_checkpoint(state_dict)
        with named_misfit():
            return super().load_state_dict(state_dict, *args, **kwargs)


@contextmanager
def named_misfit() -> Iterator[None]:
    """Turn the errors of loading weights that are missing or of another shape into a ``ValueError`` of one line."""
    try:
        yield
    except (RuntimeError, KeyError) as error:  # KeyError comes from the layers of fairseq 0.12.2
        raise ValueError(f"the checkpoint's weights do not match this model: {brief(error)}") from error


def check_fits(model: BaseFairseqModel, state_dict: Dict[str, Any]) -> None:
    """Compare a checkpoint's weights with *model*, whose options may differ from the checkpoint's.

    Args:
        model: the model that loads the checkpoint.
        state_dict: the weights of the checkpoint.

    Raises:
        ValueError: the size of a dictionary, a width, the embeddings of words or positions, Pre-LN or Post-LN, the
            number of unique layers, or ``--residual-init`` is not the same.
    """
    expected, state_dict = _with_common_names(model.state_dict()), _with_common_names(state_dict)
    _check_width(expected, state_dict, _CONVOLUTION, "input_feat_per_channel", axis=1)  # of DATA's config.yaml
    for side, language in (("encoder", "source"), ("decoder", "target")):
        _check_dictionary(getattr(getattr(model, side, None), "dictionary", None), expected, state_dict, side, language)
        _check_width(expected, state_dict, f"{side}.layers.0.self_attn.k_proj.weight", f"--{side}-embed-dim", axis=1)
        # of the embeddings alone, where a language model's differ from its layers' width
        _check_width(expected, state_dict, f"{side}.embed_tokens.weight", _input_option(expected, side), axis=1)
        _check_width(expected, state_dict, f"{side}.layers.0.fc1.weight", f"--{side}-ffn-embed-dim", axis=0)
        _check_positions(expected, state_dict, side, language)
        _check_presence(expected, state_dict, f"{side}.layernorm_embedding.weight", "--layernorm-embedding")
        _check_norm(model.cfg, expected, state_dict, side)
        _check_layers(model.cfg, expected, state_dict, side)
    _check_sharing(expected, state_dict)
    # Without this check Admin's scales would be missing or left over, and the model would compute something else.
    scaled = any(key.endswith(SCALE_SUFFIX) for key in state_dict)
    if scaled != any(key.endswith(SCALE_SUFFIX) for key in expected):
        trained, given = ("admin", "none") if scaled else ("none", "admin")
        raise ValueError(f"--residual-init {given}: the checkpoint was trained with --residual-init {trained}")


def _with_common_names(state_dict: Dict[str, Any]) -> Dict[str, Any]:
    """The weights, with the layers of fairseq's speech encoder under the names of its text encoder's."""
    return {key.replace("encoder.transformer_layers.", "encoder.layers."): value for key, value in state_dict.items()}


def _check_dictionary(
    dictionary: Any, expected: Dict[str, Any], state_dict: Dict[str, Any], side: str, language: str
) -> None:
    """Compare the number of words."""
    key = f"{side}.embed_tokens.weight"
    if key in state_dict and key in expected and len(state_dict[key]) != len(expected[key]):
        of_bart = len(state_dict[key]) == len(expected[key]) + 1 and "<mask>" not in dictionary
        hint = "; if it is BART's, append the line '<mask> 1' to their files" if of_bart else ""
        raise ValueError(
            f"{language} dictionary of {len(expected[key])} entries: the checkpoint was trained with "
            f"{len(state_dict[key])}; give the data directory whose dictionaries it was trained with, and its --task: "
            f"some tasks add language tags{hint}"
        )


def _check_presence(expected: Dict[str, Any], state_dict: Dict[str, Any], key: str, option: str) -> None:
    """Compare whether there is a weight, which *option* adds."""
    if (key in state_dict) != (key in expected):
        trained = "with" if key in state_dict else "without"
        raise ValueError(f"{option}: the checkpoint was trained {trained} it")


def _check_positions(expected: Dict[str, Any], state_dict: Dict[str, Any], side: str, language: str) -> None:
    """Compare the learned positions; those of a longer table were cut off before."""
    key = f"{side}.embed_positions.weight"
    _check_presence(expected, state_dict, key, f"--{side}-learned-pos")
    if key in state_dict and len(state_dict[key]) < len(expected[key]):
        fewer = len(expected[key]) - len(state_dict[key])
        raise ValueError(f"--max-{language}-positions: the checkpoint has learned {fewer} positions less; give no more")


def _check_sharing(expected: Dict[str, Any], state_dict: Dict[str, Any]) -> None:
    """Compare the embeddings that the model shares: of two different ones it would keep the last."""
    target = "decoder.embed_tokens.weight"
    for first, second, option in (
        ("encoder.embed_tokens.weight", target, "--share-all-embeddings"),
        (target, "decoder.output_projection.weight", "--share-decoder-input-output-embed"),
    ):
        if not all(key in weights for key in (first, second) for weights in (expected, state_dict)):
            continue
        one, other = state_dict[first], state_dict[second]
        shared = expected[first].data_ptr() == expected[second].data_ptr()
        if shared and one.data_ptr() != other.data_ptr() and not torch.equal(one, other):
            raise ValueError(f"{option}: in the checkpoint, {first} and {second} differ; leave the option out")


def _check_width(expected: Dict[str, Any], state_dict: Dict[str, Any], key: str, option: str, axis: int) -> None:
    """Compare the size of one weight along *axis*, which *option* sets."""
    if key in state_dict and key in expected and state_dict[key].size(axis) != expected[key].size(axis):
        raise ValueError(
            f"{option} {expected[key].size(axis)}: the checkpoint was trained with {state_dict[key].size(axis)}"
        )


def _input_option(expected: Dict[str, Any], side: str) -> str:
    """The option that sets the width of the embeddings."""
    return f"--{side}-input-dim" if f"{side}.project_in_dim.weight" in expected else f"--{side}-embed-dim"


def _check_norm(cfg: Any, expected: Dict[str, Any], state_dict: Dict[str, Any], side: str) -> None:
    """Compare Pre-LN with Post-LN: only Pre-LN has a final layer norm, unless ``--no-decoder-final-norm`` is given."""
    key = f"{side}.layer_norm.weight"
    if side == "encoder" or not cfg.no_decoder_final_norm:
        _check_presence(expected, state_dict, key, f"--{side}-normalize-before")
    elif key in state_dict:
        raise ValueError("--no-decoder-final-norm: the checkpoint was trained without it")


def _check_layers(cfg: Any, expected: Dict[str, Any], state_dict: Dict[str, Any], side: str) -> None:
    """Compare the positions at which unique layers are stored."""
    wanted, saved = _stored_layers(expected, side), _stored_layers(state_dict, side)
    pruned = getattr(cfg, side).layers_to_keep  # fairseq drops layers while loading
    # Every position of a checkpoint may have a layer: loading compares those of positions that share one.
    if not saved or saved == wanted or saved == list(range(getattr(cfg, side).layers)) or pruned:
        return
    # Equal numbers of layers are stored at different positions if the sharing strategy differs.
    given = f"--{side}-layers {getattr(cfg, side).layers}"
    found = f"{len(saved)} {side} layers"
    if cfg.layer_sharing != "none":
        given += f" --unique-{side}-layers {len(wanted)} --layer-sharing {cfg.layer_sharing}"
        found += f", first used at positions {','.join(str(index + 1) for index in saved)}"
    raise ValueError(f"{given}: the checkpoint has {found}")


def _stored_layers(state_dict: Dict[str, Any], side: str) -> List[int]:
    """The positions, counted from 0, at which a state dict has the weights of a layer."""
    prefix, suffix = f"{side}.layers.", ".fc1.weight"
    names = [key for key in state_dict if key.startswith(prefix) and key.endswith(suffix)]
    return sorted(int(name[len(prefix) : -len(suffix)]) for name in names)
