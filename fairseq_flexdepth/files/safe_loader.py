"""Read fairseq's checkpoints with torch's safe (weights-only) loader."""

import argparse
import collections
import logging
import pickle
import re
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Iterator

import torch
from fairseq.data import Dictionary
from fairseq.distributed.utils import _TensorPlaceholder
from omegaconf import AnyNode, DictConfig, ListConfig
from omegaconf.base import ContainerMetadata, Metadata

from fairseq_flexdepth.compat import allow_classes, loads_weights_only, read_arrays_of_numpy_2
from fairseq_flexdepth.files import checkpoint_arrays

logger = logging.getLogger(__name__)


def allow_safe_checkpoints() -> None:
    """Allow the classes in fairseq's checkpoints for torch's safe loader (torch ≥ 2.6), for checkpoints of both stacks.

    The safe loader refuses classes that are not allowed by name. A checkpoint holds an ``argparse.Namespace``, NumPy
    arrays in its meters, which ``checkpoint_arrays`` reads, and for some tasks a dictionary. If several processes
    resume, the first sends the checkpoint to the others, which read it with the same loader; its options are then in
    omegaconf's containers.
    """
    options = [DictConfig, ListConfig, AnyNode, ContainerMetadata, Metadata, Any]
    builtin = [collections.defaultdict, dict, list, int, bytes]  # bytes: of an empty array
    classes = [argparse.Namespace, Dictionary, _TensorPlaceholder, *options, *builtin]
    allow_classes(classes, checkpoint_arrays.replacements())
    read_arrays_of_numpy_2()


class UnsafeCheckpointError(ValueError):
    """The error for a checkpoint that may contain code; the message begins with the file."""


@contextmanager
def reading_checkpoint(path: str) -> Iterator[None]:
    """A context for reading a checkpoint with torch; an error of the safe loader becomes one line.

    torch before 2.6 runs any code in the file; then a warning is logged once.

    Raises:
        UnsafeCheckpointError: the file holds something else than weights and options.
    """
    if not loads_weights_only():
        _warn_of_unsafe_loading()
    try:
        yield
    except (pickle.UnpicklingError, RuntimeError) as error:
        if not (loads_weights_only() and re.search("weights.only", str(error), re.IGNORECASE)):
            raise
        named = re.search(r"GLOBAL (\S+)", str(error))
        refused = f" ({named.group(1)}), which could run code" if named else ""
        # Not chained: torch's own message tells how to load the file unsafely.
        raise UnsafeCheckpointError(
            f"{path}: cannot be read as a fairseq checkpoint: it holds something else than weights and options{refused}"
        ) from None


@lru_cache(maxsize=None)
def _warn_of_unsafe_loading() -> None:
    logger.warning(
        "torch %s unpickles checkpoints, which can execute code; load only checkpoints you trust, or use torch 2.6 or "
        "newer, which refuses code",
        torch.__version__,
    )
