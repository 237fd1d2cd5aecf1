"""Decoding a split in shards that can be interrupted, for the sub-commands whose results take hours."""

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
    """Add what fairseq's own ``--num-shards`` and ``--shard-id`` leave open."""
    parser.add_argument("--merge", action="store_true", help="put the finished shards together")


def check_shard_options(config: "DictConfig") -> None:
    """Refuse numbers of shards that do not exist.

    Raises:
        ValueError: ``--num-shards`` or ``--shard-id`` is out of range.
    """
    shard, shards = config.dataset.shard_id, config.dataset.num_shards
    if shards < 1:
        raise ValueError(f"--num-shards {shards}: expected 1 or more")
    if not 0 <= shard < shards:
        raise ValueError(f"--shard-id {shard}: expected 0 to {shards - 1} with --num-shards {shards}")


def shard_paths(work: str, shards: int, must_exist: bool) -> List[str]:
    """Where the shards' results are in the folder *work*.

    Raises:
        ValueError: a file is missing that *must_exist*.
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
    """Decode what is left of this process's shard, or with ``--merge`` nothing; all shards if all are finished.

    Args:
        stack: closes the shards' files.
        paths: one file a shard.
        config: fairseq's options, ``--shard-id`` among them.
        args: the sub-command's own options; ``--overwrite`` begins a shard anew that has other contents.
        header: the results' fingerprint.
        batches: all batches of the split.
        decode: results of a batch from its number and its sentences' numbers.

    Returns:
        All shards, or nothing while there are other shards to be decoded.

    Raises:
        ValueError: a shard has other contents than expected, or is not finished.
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
        raise ValueError(f"--merge: unfinished: {', '.join(unfinished)}; decode these shards to their end first")
    return files


def shard_finished_message(path: str, shards: int) -> str:
    """What to say when one of several shards is finished."""
    return f"{path}: finished; when all {shards} shards are, --merge puts them together"


def remove_shards(paths: Sequence[str]) -> None:
    """Remove finished shards, and their folder unless somebody else's file is in it."""
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
