"""Decode a split in shards, in one or several processes, and resume: ``--num-shards``, ``--shard-id``, ``--merge``.

``distill`` and ``oracle``, which may run for hours, use this. ``corpus/shards.py`` reads and writes a shard's file.

Processes of ``torchrun`` or Slurm need no options: each decodes the shard of its number, and the one that finishes last
merges. Each opens its shard, and later looks at the other shards, under one lock, so exactly one finds all finished.
The kernel releases the lock of a killed process. No process waits until another shard is finished.
"""

import argparse
import contextlib
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Sequence

from fairseq_flexdepth.cli.generate_options import hides_progress
from fairseq_flexdepth.cli.launched_processes import launched_process
from fairseq_flexdepth.files.locks import locked_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fairseq_flexdepth.corpus.shards import ShardFile

Batches = Sequence[Sequence[int]]


def add_shard_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--merge``; ``--num-shards`` and ``--shard-id`` are options of fairseq."""
    parser.add_argument("--merge", action="store_true", help="join the finished shards of --num-shards into the result")
    parser.set_defaults(launched=False)  # whether torchrun or Slurm has started one process per shard


def choose_shard(args: argparse.Namespace, config: "DictConfig") -> None:
    """Check ``--num-shards`` and ``--shard-id``; without these and ``--merge``, take them from ``torchrun`` or Slurm.

    Raises:
        ValueError: ``--num-shards``, ``--shard-id`` or a variable of the environment is wrong.
    """
    typed = any(option.startswith(("--num-s", "--sh")) for option in args.fairseq_options)
    if not (typed or args.merge):
        config.dataset.shard_id, config.dataset.num_shards = launched_process()
        args.launched = config.dataset.num_shards > 1
    shard, shards = config.dataset.shard_id, config.dataset.num_shards
    if shards < 1:
        raise ValueError(f"--num-shards {shards}: expected 1 or more")
    if not 0 <= shard < shards:
        raise ValueError(f"--shard-id {shard}: expected 0 to {shards - 1} with --num-shards {shards}")


class Shards:
    """The shards of a split, of which this process decodes one or merges all.

    Args:
        work: the folder of the shards' files.
        config: fairseq's options, ``--num-shards`` and ``--shard-id`` among them.
        args: the sub-command's own options; ``--overwrite`` restarts a shard that was begun with other options.

    Raises:
        ValueError: ``--merge`` is given, and a file is missing.
    """

    def __init__(self, work: str, config: "DictConfig", args: argparse.Namespace) -> None:
        count = config.dataset.num_shards
        self.work = work
        self.paths = [os.path.join(work, f"shard-{number}-of-{count}.jsonl") for number in range(count)]
        self.own = config.dataset.shard_id
        self.message = ""  # the reason why there is nothing to merge
        self._args, self._hidden = args, hides_progress(config)
        self._resumed = os.path.exists(self.paths[self.own])
        missing = [path for path in self.paths if args.merge and not os.path.isfile(path)]
        if missing:
            raise ValueError(f"--merge: {', '.join(missing)}: no such file; decode with --num-shards {count} first")

    def finished(
        self,
        stack: contextlib.ExitStack,
        header: Dict[str, Any],
        batches: Batches,
        decode: Callable[[int, Sequence[int]], List[Any]],
    ) -> List["ShardFile"]:
        """Decode the remaining batches of this process's shard, then return the shards to merge.

        With ``--merge``, nothing is decoded and all shards are returned. With a single shard, that one is returned.

        Args:
            stack: closes the shards' files.
            header: the fingerprint of the results: a shard resumes only if its fingerprint is the same.
            batches: the sentence numbers of every batch of the split.
            decode: decodes a batch, given its number and its sentence numbers.

        Returns:
            All shards, finished; empty if other processes decode or merge them, as ``message`` then says.

        Raises:
            ValueError: a shard was begun with other options or data, or ``--merge`` finds one that is not finished.
        """
        if self._args.launched:
            return self._finished_by_all(stack, header, batches, decode)
        numbers = range(len(self.paths)) if self._args.merge else [self.own]
        files = [stack.enter_context(self._open(number, header, batches)) for number in numbers]
        if not self._args.merge:
            self._decode(files[0], batches, decode)
            if len(self.paths) > 1:
                self.message = (
                    f"{files[0].path}: finished; once all {len(self.paths)} shards are finished, join them with --merge"
                )
                return []
        unfinished = [_state(file) for file in files if file.remaining]
        if unfinished:
            raise ValueError(f"--merge: not finished: {', '.join(unfinished)}; finish decoding these shards first")
        return files

    def remove(self) -> None:
        """Remove finished shards, and their folder unless it holds other files."""
        for path in self.paths:
            os.remove(path)
        with contextlib.suppress(OSError):
            os.rmdir(self.work)

    def _finished_by_all(
        self,
        stack: contextlib.ExitStack,
        header: Dict[str, Any],
        batches: Batches,
        decode: Callable[[int, Sequence[int]], List[Any]],
    ) -> List["ShardFile"]:
        """As :meth:`finished`, for one of several processes of which the last merges.

        A finished shard disappears only when another process has merged it.
        """
        path = self.paths[self.own]
        merged = f"{path}: finished; another process has joined the {len(self.paths)} shards, see its output"
        with locked_folder(self.work):
            if self._resumed and not os.path.exists(path):
                self.message = merged
                return []
            own = self._open(self.own, header, batches)
        with own:
            self._decode(own, batches, decode)
        stack.enter_context(locked_folder(self.work))
        if not os.path.exists(path):
            self.message = merged
            return []
        files, unfinished = [], []
        for number, other in enumerate(self.paths):
            try:
                if not os.path.exists(other):
                    raise ValueError(f"{other}: not begun")
                files.append(stack.enter_context(self._open(number, header, batches, overwrite=False)))
            except ValueError as error:  # the shard of a process that decodes it, or that has yet to start
                unfinished.append(str(error).partition(";")[0])
        unfinished += [_state(file) for file in files if file.remaining]
        if unfinished:
            self.message = (
                f"{path}: finished; the process that finishes last joins the {len(self.paths)} shards; "
                f"not finished: {', '.join(unfinished)}"
            )
            return []
        return files

    def _open(self, number: int, header: Dict[str, Any], batches: Batches, overwrite: bool = True) -> "ShardFile":
        from fairseq_flexdepth.corpus.shards import ShardFile

        anew = overwrite and self._args.overwrite and not self._args.merge
        return ShardFile(self.paths[number], range(number, len(batches), len(self.paths)), header, anew)

    def _decode(self, shard: "ShardFile", batches: Batches, decode: Callable[[int, Sequence[int]], List[Any]]) -> None:
        """Decode the shard's remaining batches."""
        from tqdm import tqdm

        sentences = sum(len(batches[number]) for number in shard.batches)
        done = sum(len(batches[number]) for number in shard.batches[: shard.done])
        with tqdm(total=sentences, initial=done, desc="decoding", unit="sentence", disable=self._hidden) as progress:
            for number in shard.remaining:
                shard.append(decode(number, batches[number]))
                progress.update(len(batches[number]))


def _state(shard: "ShardFile") -> str:
    return f"{shard.path} ({shard.done} of {len(shard.batches)} batches)"
