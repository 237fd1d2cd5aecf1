"""What fairseq lacks where trainings are interrupted and resumed.

Whole copies of checkpoints, a place in an epoch for any number of ranks, an end for jobs of which a rank stands still.
"""

import contextlib
import signal
import weakref
from functools import wraps
from typing import Any, Callable, Dict

from fairseq.data.iterators import EpochBatchIterator
from fairseq.distributed.distributed_timeout_wrapper import DistributedTimeoutWrapper
from fairseq.file_io import PathManager


def end_stalled_jobs() -> None:
    """Let ``--heartbeat-timeout`` end a rank that waits for another one.

    fairseq sends itself SIGINT, which Python takes note of once the wait is over: after half an hour, with gloo.
    """
    DistributedTimeoutWrapper.__init__.__defaults__ = (signal.SIGTERM,)


def copy_whole() -> None:
    """Let fairseq's copies take their place when they are whole.

    A checkpoint is saved under its first name and copied to the others, ``checkpoint_last.pt`` among them, which a
    killed run is resumed from: killed while copying, it left a piece there.
    """
    stock = PathManager.copy
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
        if not (overwrite and PathManager.supports_rename(dst_path)):
            return stock(src_path, dst_path, overwrite=overwrite)
        partial = f"{dst_path}.tmp"  # as fairseq names what it saves
        try:
            copied = stock(src_path, partial, overwrite=True)
        except OSError:  # the disk is full: what is left of it is for those who go on
            with contextlib.suppress(OSError):
                PathManager.rm(partial)
            raise
        if copied:
            PathManager.rename(partial, dst_path)
        return copied

    PathManager.copy = staticmethod(copy)


class PortableBatchIterator(EpochBatchIterator):
    """fairseq's iterator over the batches of a rank, whose place in the epoch another number of ranks understands.

    fairseq counts the batches of one rank. Resumed on fewer ranks, it would train on most of the epoch again; on more,
    skip as much, or stop with a "dataloader mismatch".

    It goes with its epoch, and so do the epoch's worker processes: in fairseq's, sampler and iterator refer to each
    other, and the workers of one epoch after another stay until Python's collector comes by.
    """

    @property
    def ordered_batches(self) -> Callable[..., Any]:
        """As fairseq's, for the sampler, which keeps it."""
        this = weakref.ref(self)
        return lambda *args: EpochBatchIterator.ordered_batches(this(), *args)

    def state_dict(self) -> Dict[str, Any]:
        """As fairseq's, and of how many ranks it is."""
        return {**super().state_dict(), "ranks": self.num_shards}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        """As fairseq's; what the ranks had seen together is shared out among those of now."""
        seen = state_dict.get("iterations_in_epoch", 0) * state_dict.get("ranks", self.num_shards)
        super().load_state_dict({**state_dict, "iterations_in_epoch": seen // self.num_shards})


def portable(iterator: Any) -> Any:
    """*iterator* as a :class:`PortableBatchIterator`: fairseq's task, which makes it, names its class."""
    if type(iterator) is EpochBatchIterator:
        iterator.__class__ = PortableBatchIterator
    return iterator
