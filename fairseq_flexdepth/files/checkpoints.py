"""Checkpoints that are none, carry code or are not of the model they are for: one line that names the file."""

import os
from functools import wraps
from typing import Any, Callable, Dict, Optional

from fairseq import checkpoint_utils
from torch import Tensor, nn

from fairseq_flexdepth.files.evaluated_options import refuse_code
from fairseq_flexdepth.files.initial_files import forget_initial_files
from fairseq_flexdepth.files.safe_loader import UnsafeCheckpointError, reading_checkpoint

LONGEST_REASON = 300  # characters: torch lists every parameter and explains its loaders


def brief(error: BaseException) -> str:
    """What *error* says, in one line that is not too long, or what it is called if it says nothing."""
    text = " ".join(str(error).split())
    if not text or isinstance(error, KeyError):  # which says nothing but the key
        text = f"{type(error).__name__} {text}".strip()
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def guard_checkpoints() -> None:
    """Let fairseq, wherever it reads a checkpoint, answer one that is none or carries code by a line that names it.

    Nor does it look for the files that the training started from.
    """
    for name, check in (("load_checkpoint_to_cpu", _check_parts), ("load_ema_from_checkpoint", None)):
        stock = getattr(checkpoint_utils, name)
        if not hasattr(stock, "__wrapped__"):
            setattr(checkpoint_utils, name, _guarded(stock, check))


def _guarded(stock: Callable, check: Optional[Callable]) -> Callable:
    @wraps(stock)
    def load(path: str, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        try:
            with reading_checkpoint(path):
                state = stock(path, *args, **kwargs)
        except UnsafeCheckpointError:
            raise
        except Exception as error:  # whatever torch's reader or fairseq stumbles over first
            raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: {brief(error)}") from error
        if check is not None:
            check(path, state)
        refuse_code(path, state)
        forget_initial_files(state)
        return state

    return load


def _check_parts(path: str, state: Dict[str, Any]) -> None:
    if not isinstance(state.get("model"), dict) or not state["model"]:
        raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: it holds no model")
    if state.get("cfg") is None and state.get("args") is None:
        raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: it does not hold the model's options")


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


def check_finite(model: Dict[str, Tensor], origin: str) -> None:
    """Refuse weights of a training that diverged, or of a damaged file.

    Args:
        model: of a checkpoint, by name.
        origin: the option with its value.

    Raises:
        ValueError: a weight is not a number, or infinite.
    """
    for name, value in model.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{origin}: {name} has values that are not finite; expected a model that did not diverge")


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
    except ValueError as error:  # our models' own
        raise ValueError(f"{option}: {error}") from error
