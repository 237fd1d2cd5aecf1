"""Repairs to fairseq for trainings that are interrupted and resumed.

Checkpoints are copied completely or not at all, a run can resume within an epoch on another number of ranks, and a job
ends when one of its ranks hangs.
"""

import contextlib
import signal
import weakref
from functools import wraps
from typing import Any, Callable, Dict

from fairseq.data import FairseqDataset
from fairseq.data.iterators import EpochBatchIterator
from fairseq.distributed.distributed_timeout_wrapper import DistributedTimeoutWrapper
from fairseq.file_io import PathManager
from fairseq.tasks import FairseqTask

from fairseq_flexdepth.files.binarised_data import name_of, named_batching_mistakes


def end_stalled_jobs() -> None:
    """Let ``--heartbeat-timeout`` end a rank that waits for another rank.

    fairseq sends itself SIGINT, which Python handles only after the wait: after half an hour, with gloo.
    """
    DistributedTimeoutWrapper.__init__.__defaults__ = (signal.SIGTERM,)


def copy_whole() -> None:
    """Let fairseq copy checkpoints to a temporary name first, and rename them when they are complete.

    fairseq saves a checkpoint under one name and copies it to the others, among them ``checkpoint_last.pt``, from which
    a run resumes. A run killed while copying left an incomplete file there.
    """
    stock = PathManager.copy
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
        if not (overwrite and PathManager.supports_rename(dst_path)):
            return stock(src_path, dst_path, overwrite=overwrite)
        partial = f"{dst_path}.tmp"  # as fairseq names a checkpoint while it is saved
        try:
            copied = stock(src_path, partial, overwrite=True)
        except OSError:  # the disk may be full: free the space
            with contextlib.suppress(OSError):
                PathManager.rm(partial)
            raise
        if copied:
            PathManager.rename(partial, dst_path)
        return copied

    PathManager.copy = staticmethod(copy)


class PortableBatchIterator(EpochBatchIterator):
    """fairseq's iterator over the batches of a rank, able to resume within an epoch on another number of ranks.

    fairseq saves the number of batches of one rank. Resumed on fewer ranks, it would repeat a part of the epoch; on
    more ranks, it would skip a part or stop with a "dataloader mismatch".

    The iterator and its worker processes are released at the end of their epoch. In fairseq, iterator and sampler refer
    to each other, and the workers of past epochs stay until Python's garbage collector runs.
    """

    @property
    def ordered_batches(self) -> Callable[..., Any]:
        """The function from which the sampler takes its batches; it holds only a weak reference to the iterator."""
        this = weakref.ref(self)
        return lambda *args: EpochBatchIterator.ordered_batches(this(), *args)

    def state_dict(self) -> Dict[str, Any]:
        """fairseq's state, and the number of ranks, ``ranks``."""
        return {**super().state_dict(), "ranks": self.num_shards}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        """Load fairseq's state; the batches that all ranks have seen are divided by the present number of ranks."""
        seen = state_dict.get("iterations_in_epoch", 0) * state_dict.get("ranks", self.num_shards)
        super().load_state_dict({**state_dict, "iterations_in_epoch": seen // self.num_shards})


def portable(iterator: EpochBatchIterator) -> EpochBatchIterator:
    """Turn fairseq's *iterator* into a :class:`PortableBatchIterator`, in place: fairseq's tasks name its class."""
    if type(iterator) is EpochBatchIterator:
        iterator.__class__ = PortableBatchIterator
    return iterator


class PortableBatchesTask(FairseqTask):
    """Mixin for a task whose batches a run can resume on another number of ranks."""

    def get_batch_iterator(self, dataset: FairseqDataset, *args: Any, **kwargs: Any) -> EpochBatchIterator:
        """Make the batches in a :class:`PortableBatchIterator`.

        Raises:
            ValueError: a sentence is too long.
        """
        split = name_of(dataset, self.datasets)
        with named_batching_mistakes(split or "input", kwargs.get("max_tokens")):
            return portable(super().get_batch_iterator(dataset, *args, **kwargs))
