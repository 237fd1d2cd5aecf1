"""Reject unreadable, unsafe or mismatched checkpoints, with one line that names the file."""

import os
from contextlib import contextmanager
from functools import wraps
from typing import Any, Callable, Dict, Iterator, List, Optional

from fairseq import checkpoint_utils
from torch import Tensor, nn

from fairseq_flexdepth.compat import UNTRAINED_BUFFERS
from fairseq_flexdepth.files.evaluated_options import refuse_code
from fairseq_flexdepth.files.initial_files import forget_initial_files
from fairseq_flexdepth.files.safe_loader import UnsafeCheckpointError, reading_checkpoint

LONGEST_REASON = 300  # characters; torch's own messages list every parameter
_FURTHER_CHECKS: List[Callable[[Dict[str, Any]], None]] = []  # of also_checked


def brief(error: BaseException) -> str:
    """The message of *error* in one line of limited length, with the name of the error if the message is too short."""
    text = " ".join(str(error).split())
    if not text or isinstance(error, KeyError):  # its message is the key alone
        text = f"{type(error).__name__} {text}".strip()
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def guard_checkpoints() -> None:
    """Replace fairseq's functions that read checkpoints by guarded ones; to do so again changes nothing.

    A file that is not a checkpoint, or that contains code, is refused with one line that names it. Options that name
    the files a training started from are cleared: the checkpoint has all weights.
    """
    for name, check in (("load_checkpoint_to_cpu", _check_parts), ("load_ema_from_checkpoint", None)):
        stock = getattr(checkpoint_utils, name)
        if not hasattr(stock, "__wrapped__"):
            setattr(checkpoint_utils, name, _guarded(stock, check))


def _guarded(stock: Callable, check: Optional[Callable]) -> Callable:
    """fairseq's function *stock*, followed by *check* of path and contents, and by a check of the options."""

    @wraps(stock)
    def load(path: str, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        try:
            with reading_checkpoint(path):
                state = stock(path, *args, **kwargs)
        except UnsafeCheckpointError:
            raise
        except Exception as error:  # torch's reader and fairseq raise many kinds
            raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: {brief(error)}") from error
        if check is not None:
            check(path, state)
        refuse_code(path, state)
        forget_initial_files(state)
        for further in _FURTHER_CHECKS:
            further(state)
        return state

    return load


@contextmanager
def also_checked(check: Callable[[Dict[str, Any]], None]) -> Iterator[None]:
    """Within this context, the contents of every checkpoint that fairseq reads are given to *check*, too."""
    _FURTHER_CHECKS.append(check)
    try:
        yield
    finally:
        _FURTHER_CHECKS.remove(check)


def _check_parts(path: str, state: Dict[str, Any]) -> None:
    """Refuse a file without the weights or the options of a model."""
    if not isinstance(state.get("model"), dict) or not state["model"]:
        raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: it holds no model")
    if state.get("cfg") is None and state.get("args") is None:
        raise ValueError(f"{path}: cannot be read as a fairseq checkpoint: it does not hold the model's options")


def read_checkpoint(option: str, path: str, overrides: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """Read a checkpoint onto the CPU with fairseq, which converts the options of older versions.

    Args:
        option: the option that names the file, for error messages.
        path: the file.
        overrides: values that replace options of the checkpoint.

    Raises:
        ValueError: there is no such file, it is not a fairseq checkpoint, or it may contain code.
    """
    if not os.path.isfile(path):
        raise ValueError(f"{option} {path}: no such file")
    try:
        return checkpoint_utils.load_checkpoint_to_cpu(path, overrides)
    except ValueError as error:
        raise ValueError(f"{option} {error}") from error


def check_finite(model: Dict[str, Tensor], origin: str) -> None:
    """Check that all weights are finite; a training that diverged, or a damaged file, has others.

    Args:
        model: the weights by name.
        origin: the option and its value, for the error message.

    Raises:
        ValueError: a weight is nan or infinite.
    """
    for name, value in model.items():
        is_weight = value.is_floating_point() and name.split(".")[-1] not in UNTRAINED_BUFFERS
        if is_weight and not value.isfinite().all():
            raise ValueError(f"{origin}: {name} has values that are not finite; expected a model that did not diverge")


def load_weights(model: nn.Module, weights: Dict[str, Tensor], cfg: Any, option: str) -> None:
    """Load the *weights* of a checkpoint into *model*; names and shapes must match exactly.

    Args:
        model: the model.
        weights: the weights by name.
        cfg: the model's options in the checkpoint.
        option: the option and its value, for the error message.

    Raises:
        ValueError: the weights do not match the model.
    """
    try:
        model.load_state_dict(weights, strict=True, model_cfg=cfg)
    except (RuntimeError, KeyError) as error:  # KeyError: fairseq 0.12.2's encoder layers
        raise ValueError(f"{option}: its weights do not match its model: {brief(error)}") from error
    except ValueError as error:  # raised by this package's models
        raise ValueError(f"{option}: {error}") from error
