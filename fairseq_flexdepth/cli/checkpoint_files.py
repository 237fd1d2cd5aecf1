"""Checkpoints as sub-commands read, change and write them: what ``average`` and ``prune`` have in common."""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from torch import Tensor


def load_checkpoint(path: str, option: str) -> Dict[str, Any]:
    """The checkpoint that *option* names, on the CPU.

    Raises:
        ValueError: there is no such file, it is no fairseq checkpoint, or holds more than weights and options.
    """
    import torch

    from fairseq_flexdepth.compat import UnsafeCheckpointError, allow_safe_checkpoints, reading_checkpoint

    if not os.path.isfile(path):
        raise ValueError(f"{option} {path}: no such file")
    allow_safe_checkpoints()
    try:
        with reading_checkpoint(path):
            checkpoint = torch.load(path, map_location="cpu")
    except UnsafeCheckpointError as error:
        raise ValueError(f"{option} {error}") from None
    except Exception as error:  # whatever torch's reader stumbles over first
        raise ValueError(f"{option} {path}: cannot be read as a fairseq checkpoint: {error!r}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict):
        raise ValueError(f"{option} {path}: expected a fairseq checkpoint")
    return checkpoint


def without_training_state(checkpoint: Dict[str, Any]) -> Dict[str, Any]:
    """The checkpoint without what belongs to the weights it had: optimizer, EMA and the criterion's own weights."""
    extra_state = checkpoint.get("extra_state") or {}
    kept = {key: value for key, value in extra_state.items() if not key.startswith("ema")}
    return {**checkpoint, "extra_state": kept, "last_optimizer_state": None, "criterion": None}


def tie_equal(model: Dict[str, "Tensor"]) -> None:
    """Let equal matrices, such as tied embeddings, be one tensor, which a file holds once."""
    seen: Dict[Any, List[Tensor]] = {}
    for key, value in model.items():
        if value.dim() > 1:
            alike = seen.setdefault((value.shape, value.dtype), [])
            model[key] = next((other for other in alike if other.equal(value)), value)
            if model[key] is value:
                alike.append(value)


def check_output(path: str) -> None:
    """Refuse what cannot be written, before the work is done.

    Raises:
        ValueError: the path is a directory.
    """
    if os.path.isdir(path):
        raise ValueError(f"--output {path}: is a directory; expected a file")


def save_checkpoint(checkpoint: Dict[str, Any], path: str) -> None:
    """Write the checkpoint under a temporary name, then rename it; its directory is made if need be."""
    import torch

    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f"{path}.tmp"
    try:
        torch.save(checkpoint, temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
