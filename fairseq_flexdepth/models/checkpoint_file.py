"""Reading checkpoints, which may come from people one does not trust: they hold weights and options, and no code."""

import ast
import os
from argparse import Namespace
from functools import wraps
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

from fairseq import checkpoint_utils
from omegaconf import OmegaConf

from fairseq_flexdepth.compat import UnsafeCheckpointError, reading_checkpoint

# Of a checkpoint's options those that fairseq hands to Python's eval, some when it builds any Transformer.
EVALUATED = {
    *("adaptive_input_cutoff", "character_filters", "conv_aggregator_layers", "conv_feature_layers"),
    *("encoder_layers", "decoder_layers", "encoder_attention", "decoder_attention", "self_attention"),
    *("gated_attention", "project_input", "downsample", "pretrained", "feature_encoder_spec", "wer_args"),
    *("encoder_xformers_att_config", "decoder_xformers_att_config", "xformers_att_config"),
    *("left_pad_source", "left_pad_target"),
}


def read_checkpoint(option: str, path: str, overrides: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """What the checkpoint *path*, which *option* names, holds: its weights (``model``), options (``cfg``) and the rest.

    Args:
        option: for the message.
        path: the file.
        overrides: options to set.

    Raises:
        ValueError: there is no such file, it is no checkpoint of fairseq's, or holds something else than weights and
            options.
    """
    if not os.path.isfile(path):
        raise ValueError(f"{option} {path}: no such file")
    try:
        state = checkpoint_utils.load_checkpoint_to_cpu(path, overrides)
        if state["cfg"].model is None or not isinstance(state["model"], dict):
            raise ValueError("it has no weights, or no options of a model")
        return state
    except UnsafeCheckpointError as error:
        raise ValueError(f"{option} {error}") from None
    except Exception as error:  # whatever torch's reader or fairseq stumbles over first
        raise ValueError(f"{option} {path}: cannot be read as a fairseq checkpoint: {error!r}") from error


def guard_checkpoints() -> None:
    """Make fairseq's own loaders, which read what its command lines name, refuse code."""
    for name in ("load_checkpoint_to_cpu", "load_ema_from_checkpoint"):
        stock = getattr(checkpoint_utils, name)
        if not hasattr(stock, "__wrapped__"):
            setattr(checkpoint_utils, name, _guarded(stock))


def _guarded(stock: Callable) -> Callable:
    @wraps(stock)
    def load(path: str, *args: Any, **kwargs: Any) -> Any:
        with reading_checkpoint(path):
            state = stock(path, *args, **kwargs)
        for name, value in _options(state):
            if name in EVALUATED and isinstance(value, str) and _calls(value):
                raise UnsafeCheckpointError(f"{path}: its option {name} is no value but code: {value}")
        return state

    return load


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
