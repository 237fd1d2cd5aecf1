"""Checkpoints that are none, or not of the model they are for: one line that names the file, in place of torch's."""

import os
from functools import wraps
from typing import Any, Dict, Optional

from fairseq import checkpoint_utils
from torch import Tensor, nn

LONGEST_REASON = 300  # characters: torch lists every parameter and explains its loaders


def brief(error: BaseException) -> str:
    """What *error* says, in one line that is not too long, or what it is called if it says nothing."""
    text = " ".join(str(error).split())
    if not text or isinstance(error, KeyError):  # which says nothing but the key
        text = f"{type(error).__name__} {text}".strip()
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def name_broken_checkpoints() -> None:
    """Let fairseq, wherever it reads a checkpoint, answer a file that is none by a ``ValueError`` that names it."""
    stock = checkpoint_utils.load_checkpoint_to_cpu
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def load_checkpoint_to_cpu(path: str, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        try:
            state = stock(path, *args, **kwargs)
        except Exception as error:  # whatever torch's reader or fairseq stumbles over first
            raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: {brief(error)}") from error
        if not isinstance(state.get("model"), dict) or not state["model"]:
            raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: it holds no model")
        if state.get("cfg") is None and state.get("args") is None:
            raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: it does not hold the model's options")
        return state

    checkpoint_utils.load_checkpoint_to_cpu = load_checkpoint_to_cpu


def read_checkpoint(option: str, path: str, overrides: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """The checkpoint *path*, which *option* names, on the CPU.

    Args:
        option: the option's name, for error messages.
        path: the file.
        overrides: options to replace.

    Raises:
        ValueError: there is no such file, or it is no fairseq checkpoint.
    """
    if not os.path.isfile(path):
        raise ValueError(f"{option} {path}: no such file")
    try:
        return checkpoint_utils.load_checkpoint_to_cpu(path, overrides)
    except ValueError as error:
        raise ValueError(f"{option} {error}") from error


def load_weights(model: nn.Module, weights: Dict[str, Tensor], cfg: Any, option: str) -> None:
    """Load *weights*, which *option* names, and all of them.

    Args:
        model: what they are for.
        weights: of a checkpoint.
        cfg: the checkpoint's options of the model.
        option: the option with its value.

    Raises:
        ValueError: they are not those of the model.
    """
    try:
        model.load_state_dict(weights, strict=True, model_cfg=cfg)
    except (RuntimeError, KeyError) as error:  # torch's; 0.12.2's encoder layers raise the other
        raise ValueError(f"{option}: its weights are not those of its model: {brief(error)}") from error
