"""torch's safe (weights-only) loader, for fairseq's checkpoints."""

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
    """Let torch ≥ 2.6 load fairseq's checkpoints with its safe loader, and either stack those of both.

    That loader refuses classes until they are named. A checkpoint holds one ``argparse.Namespace``, NumPy's arrays in
    its meters, which ``checkpoint_arrays`` makes, and for some tasks a dictionary. Where several processes resume, the
    first sends it to the others with its options in omegaconf's containers, through the same loader.
    """
    options = [DictConfig, ListConfig, AnyNode, ContainerMetadata, Metadata, Any]
    builtin = [collections.defaultdict, dict, list, int, bytes]  # bytes: those of an empty array
    classes = [argparse.Namespace, Dictionary, _TensorPlaceholder, *options, *builtin]
    allow_classes(classes, checkpoint_arrays.replacements())
    read_arrays_of_numpy_2()


class UnsafeCheckpointError(ValueError):
    """A checkpoint that may carry code; the message begins with the file."""


@contextmanager
def reading_checkpoint(path: str) -> Iterator[None]:
    """Let torch's loader read a checkpoint in this context, and say in one line what its safe loader refuses.

    torch before 2.6 runs whatever code the file carries; the log warns of that once.

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
        what = f" ({named.group(1)}), which could run code" if named else ""
        # Not chained: torch's own message says how to load it all the same.
        raise UnsafeCheckpointError(
            f"{path}: cannot be read as a fairseq checkpoint: it holds something else than weights and options{what}"
        ) from None


@lru_cache(maxsize=None)
def _warn_of_unsafe_loading() -> None:
    logger.warning(
        "torch %s unpickles checkpoints, which can execute code; load only checkpoints you trust, or use torch 2.6 or "
        "newer, which refuses code",
        torch.__version__,
    )
