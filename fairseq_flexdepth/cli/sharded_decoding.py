"""Decode a split in shards, in one or several processes, and resume: ``--num-shards``, ``--shard-id``, ``--merge``.

``distill`` and ``oracle``, which may run for hours, use this. ``corpus/shards.py`` reads and writes a shard's file.
"""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Sequence

from fairseq_flexdepth.cli.generate_options import hides_progress

if TYPE_CHECKING:
    import argparse

    from omegaconf import DictConfig

    from fairseq_flexdepth.corpus.shards import ShardFile

Batches = Sequence[Sequence[int]]


def add_shard_arguments(parser: "argparse.ArgumentParser") -> None:
    """Declare ``--merge``; ``--num-shards`` and ``--shard-id`` are options of fairseq."""
    parser.add_argument("--merge", action="store_true", help="join the finished shards of --num-shards into the result")


def check_shard_options(config: "DictConfig") -> None:
    """Check ``--num-shards`` and ``--shard-id``.

    Raises:
        ValueError: ``--num-shards`` or ``--shard-id`` is out of range.
    """
    shard, shards = config.dataset.shard_id, config.dataset.num_shards
    if shards < 1:
        raise ValueError(f"--num-shards {shards}: expected 1 or more")
    if not 0 <= shard < shards:
        raise ValueError(f"--shard-id {shard}: expected 0 to {shards - 1} with --num-shards {shards}")


def shard_paths(work: str, shards: int, must_exist: bool) -> List[str]:
    """The paths of the shards' files in the folder *work*.

    Raises:
        ValueError: a file is missing, and *must_exist* is true.
    """
    paths = [os.path.join(work, f"shard-{number}-of-{shards}.jsonl") for number in range(shards)]
    missing = [path for path in paths if must_exist and not os.path.isfile(path)]
    if missing:
        raise ValueError(f"--merge: {', '.join(missing)}: no such file; decode with --num-shards {shards} first")
    return paths


def finished_shards(
    stack: contextlib.ExitStack,
    paths: Sequence[str],
    config: "DictConfig",
    args: "argparse.Namespace",
    header: Dict[str, Any],
    batches: Batches,
    decode: Callable[[int, Sequence[int]], List[Any]],
) -> List["ShardFile"]:
    """Decode the remaining batches of this process's shard, then return the shards to merge.

    With ``--merge``, nothing is decoded and all shards are returned. With a single shard, that one is returned.

    Args:
        stack: closes the shards' files.
        paths: the path of each shard.
        config: fairseq's options, ``--shard-id`` among them.
        args: the sub-command's own options; ``--overwrite`` restarts a shard that was begun with other options.
        header: the fingerprint of the results: a shard resumes only if its fingerprint is the same.
        batches: the sentence numbers of every batch of the split.
        decode: decodes a batch, given its number and its sentence numbers.

    Returns:
        All shards, finished; empty if other processes decode the other shards.

    Raises:
        ValueError: a shard was begun with other options or data, or is not finished.
    """
    from fairseq_flexdepth.corpus.shards import ShardFile

    numbers = range(len(paths)) if args.merge else [config.dataset.shard_id]
    anew = args.overwrite and not args.merge
    files = [
        stack.enter_context(ShardFile(paths[number], range(number, len(batches), len(paths)), header, anew))
        for number in numbers
    ]
    if not args.merge:
        _decode(files[0], batches, decode, hides_progress(config))
        if len(paths) > 1:
            return []
    unfinished = [f"{file.path} ({file.done} of {len(file.batches)} batches)" for file in files if file.remaining]
    if unfinished:
        raise ValueError(f"--merge: not finished: {', '.join(unfinished)}; finish decoding these shards first")
    return files


def shard_finished_message(path: str, shards: int) -> str:
    """The message for one finished shard of several."""
    return f"{path}: finished; once all {shards} shards are finished, join them with --merge"


def remove_shards(paths: Sequence[str]) -> None:
    """Remove finished shards, and their folder unless it holds other files."""
    for path in paths:
        os.remove(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(paths[0]))


def _decode(
    shard: "ShardFile", batches: Batches, decode: Callable[[int, Sequence[int]], List[Any]], hidden: bool
) -> None:
    """Decode the shard's remaining batches."""
    from tqdm import tqdm

    sentences = sum(len(batches[number]) for number in shard.batches)
    finished = sum(len(batches[number]) for number in shard.batches[: shard.done])
    with tqdm(total=sentences, initial=finished, desc="decoding", unit="sentence", disable=hidden) as progress:
        for number in shard.remaining:
            shard.append(decode(number, batches[number]))
            progress.update(len(batches[number]))
