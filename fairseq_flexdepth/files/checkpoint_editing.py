"""Read a checkpoint file as it is, change it and write it back, for ``average``, ``prune`` and ``export``."""

import os
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, List, Optional

from fairseq_flexdepth.files.outputs import check_file, replaced

if TYPE_CHECKING:
    from torch import Tensor


def load_checkpoint(path: str, option: str) -> Dict[str, Any]:
    """Load a checkpoint onto the CPU, unchanged; fairseq's own reader would convert its options.

    Args:
        path: the file.
        option: the option that names it, for error messages.

    Raises:
        ValueError: there is no such file, it is not a fairseq checkpoint, it may contain code, or a weight is not
            finite.
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
    except Exception as error:  # torch's reader raises many kinds
        raise ValueError(f"{option} {path}: cannot be read as a fairseq checkpoint: {brief(error)}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict) or not checkpoint["model"]:
        raise ValueError(f"{option} {path}: expected a fairseq checkpoint")
    check_finite(checkpoint["model"], f"{option} {path}")
    return checkpoint


def without_training_state(checkpoint: Dict[str, Any]) -> Dict[str, Any]:
    """A copy without the parts that fit only the old weights: optimizer state, EMA and the criterion's weights."""
    extra_state = checkpoint.get("extra_state") or {}
    kept = {key: value for key, value in extra_state.items() if not key.startswith("ema")}
    return {**checkpoint, "extra_state": kept, "last_optimizer_state": None, "criterion": None}


def tie_equal(model: Dict[str, "Tensor"]) -> None:
    """Replace equal matrices, such as tied embeddings, by one tensor, which the file then stores only once."""
    seen: Dict[Any, List[Tensor]] = {}
    for key, value in model.items():
        if value.dim() > 1:
            alike = seen.setdefault((value.shape, value.dtype), [])
            model[key] = next((other for other in alike if other.equal(value)), value)
            if model[key] is value:
                alike.append(value)


def check_output(path: str) -> None:
    """Check, before the work starts, that the file ``--output`` *path* can be written.

    Raises:
        ValueError: the path is a directory, or cannot be written.
    """
    check_file("--output", path)
    if os.path.isdir(path):
        raise ValueError(f"--output {path}: is a directory; expected a file")


class _PatientFile:
    """A file that reports a failed write only at the end.

    torch 1.12 aborts the process, without an exception, if a write fails while it saves.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: Optional[OSError] = None

    def write(self, data: Any) -> int:
        """Write *data*; after a failed write, do nothing."""
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Nothing to do: the file is closed at the end."""

    def check(self) -> None:
        """Raise the error of the first failed write.

        Raises:
            OSError: a write failed.
        """
        if self._error is not None:
            raise self._error


def save_checkpoint(checkpoint: Dict[str, Any], path: str) -> None:
    """Write the checkpoint under a temporary name, then rename it; create its directory if it does not exist.

    Raises:
        OSError: the file cannot be written.
    """
    import torch

    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with replaced(path) as partial, open(partial, "wb") as file:
        patient = _PatientFile(file)
        torch.save(checkpoint, patient)
        patient.check()
