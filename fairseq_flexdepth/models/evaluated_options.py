"""Options of a checkpoint that fairseq hands to Python's ``eval``: they must be values, and no code."""

import ast
from argparse import Namespace
from typing import Any, Dict, Iterator, Tuple

from omegaconf import OmegaConf

from fairseq_flexdepth.compat import UnsafeCheckpointError

# Some of them are evaluated when any Transformer is built.
EVALUATED = {
    *("adaptive_input_cutoff", "character_filters", "conv_aggregator_layers", "conv_feature_layers"),
    *("encoder_layers", "decoder_layers", "encoder_attention", "decoder_attention", "self_attention"),
    *("gated_attention", "project_input", "downsample", "pretrained", "feature_encoder_spec", "wer_args"),
    *("encoder_xformers_att_config", "decoder_xformers_att_config", "xformers_att_config"),
    *("left_pad_source", "left_pad_target"),
}


def refuse_code(path: str, state: Dict[str, Any]) -> None:
    """Look through the options of the checkpoint *path*, which holds *state*.

    Raises:
        UnsafeCheckpointError: evaluating one of them would call something.
    """
    for name, value in _options(state):
        if name in EVALUATED and isinstance(value, str) and _calls(value):
            raise UnsafeCheckpointError(f"{path}: its option {name} is no value but code: {value}")


def _options(state: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
    """The names and values of all options, in whatever groups."""
    cfg = state.get("cfg")
    groups = [state.get("args"), OmegaConf.to_container(cfg) if OmegaConf.is_config(cfg) else cfg]
    while groups:
        group = groups.pop()
        options = vars(group) if isinstance(group, Namespace) else group
        if isinstance(options, dict):
            yield from options.items()
            groups.extend(options.values())


def _calls(text: str) -> bool:
    """Whether evaluating *text* would call anything."""
    try:
        return any(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, ValueError):
        return False
