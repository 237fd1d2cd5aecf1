"""Checkpoints as sub-commands read, change and write them: what ``average`` and ``prune`` have in common."""

import os
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, List, Optional

from fairseq_flexdepth.files.outputs import check_file, replaced

if TYPE_CHECKING:
    from torch import Tensor


def load_checkpoint(path: str, option: str) -> Dict[str, Any]:
    """The checkpoint that *option* names, on the CPU.

    Raises:
        ValueError: there is no such file, it is no fairseq checkpoint, holds more than weights and options, or has
            weights that are not finite.
    """
    import torch

    from fairseq_flexdepth.files.checkpoints import brief, check_finite
    from fairseq_flexdepth.files.safe_loader import UnsafeCheckpointError, allow_safe_checkpoints, reading_checkpoint

    if not os.path.isfile(path):
        raise ValueError(f"{option} {path}: no such file")
    allow_safe_checkpoints()
    try:
        with reading_checkpoint(path):
            checkpoint = torch.load(path, map_location="cpu")
    except UnsafeCheckpointError as error:
        raise ValueError(f"{option} {error}") from None
    except Exception as error:  # whatever torch's reader stumbles over first
        raise ValueError(f"{option} {path}: cannot be read as a fairseq checkpoint: {brief(error)}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict) or not checkpoint["model"]:
        raise ValueError(f"{option} {path}: expected a fairseq checkpoint")
    check_finite(checkpoint["model"], f"{option} {path}")
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
        ValueError: the path is a directory, or :func:`check_file` refuses it.
    """
    check_file("--output", path)
    if os.path.isdir(path):
        raise ValueError(f"--output {path}: is a directory; expected a file")


class _PatientFile:
    """A file that reports a failed write after the last: within one, torch 1.12 aborts the process."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: Optional[OSError] = None

    def write(self, data: Any) -> int:
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Nothing to do: the file is closed at the end."""

    def check(self) -> None:
        """Raise what was put off."""
        if self._error is not None:
            raise self._error


def save_checkpoint(checkpoint: Dict[str, Any], path: str) -> None:
    """Write the checkpoint under a temporary name, then rename it; its directory is made if need be.

    Raises:
        OSError: it cannot be written.
    """
    import torch

    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with replaced(path) as partial, open(partial, "wb") as file:
        patient = _PatientFile(file)
        torch.save(checkpoint, patient)
        patient.check()
