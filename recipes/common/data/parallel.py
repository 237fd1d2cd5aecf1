"""Write clean, aligned sentence pairs from a corpus in its original files.

python -m recipes.common.data.parallel PREFIX SRC TGT --source FILE... --target FILE... [options]

It writes PREFIX.SRC and PREFIX.TGT, one sentence per line. Without --longest every pair is kept, as a test set needs.
With --longest it drops, as Moses' clean-corpus-n.perl does, pairs with an empty side, with more than --longest tokens
on a side, or with one side more than --ratio times as long as the other.
"""

import argparse
import functools
import itertools
import os
from typing import Iterable, Iterator, List, Sequence, Tuple

from recipes.common.data import files, moses, sentences, workers

Pair = Tuple[str, str]


def aligned(sources: Sequence[str], targets: Sequence[str]) -> Iterator[Pair]:
    """Yield the pairs of several corpora, one corpus after the other.

    Raises:
        ValueError: two files have different numbers of sentences.
    """
    if len(sources) != len(targets):
        raise ValueError(f"--source has {len(sources)} files, --target has {len(targets)}: expected equal numbers")
    for source, target in zip(sources, targets):
        for number, pair in enumerate(itertools.zip_longest(sentences.read(source), sentences.read(target)), 1):
            if None in pair:
                shorter, longer = (source, target) if pair[0] is None else (target, source)
                raise ValueError(f"{shorter} ends after sentence {number - 1}, {longer} goes on: they are not parallel")
            yield pair


def length(line: str, language: str, split_hyphens: bool) -> int:
    """Return the number of Moses' tokens in a sentence."""
    return len(moses.tokenized(line, language, split_hyphens).split())


def fits(lengths: Sequence[int], longest: int, ratio: float) -> bool:
    """Whether a pair with these numbers of tokens is kept."""
    shorter, longer = sorted(lengths)
    return shorter >= 1 and longer <= longest and longer <= ratio * shorter


def normalized(pairs: Iterable[Pair], args: argparse.Namespace) -> Iterator[Pair]:
    """Yield the pairs with punctuation normalised by sacremoses (quotes, dashes, ...)."""
    from sacremoses import MosesPunctNormalizer

    source, target = (MosesPunctNormalizer(lang=language).normalize for language in args.languages)
    yield from ((source(pair[0]), target(pair[1])) for pair in pairs)


def filtered(pairs: Iterable[Pair], args: argparse.Namespace) -> Iterator[Pair]:
    """Yield the pairs that `fits` keeps."""
    counters = [functools.partial(length, language=to, split_hyphens=args.split_hyphens) for to in args.languages]
    with workers.Workers(args.workers) as processes:
        for block in workers.blocks(pairs):
            sides = [processes.map(count, list(side)) for count, side in zip(counters, zip(*block))]
            yield from (pair for pair, *lengths in zip(block, *sides) if fits(lengths, args.longest, args.ratio))


def write(pairs: Iterable[Pair], prefix: str, languages: Sequence[str], every: int, held_out: str) -> List[int]:
    """Write the pairs to *prefix*, but every *every*-th one (0: none) to *held_out*; return both numbers of pairs."""
    prefixes = [prefix, held_out] if every else [prefix]
    names = [f"{name}.{language}" for name in prefixes for language in languages]
    counts = [0] * len(prefixes)
    for name in names:
        os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
    outputs = [open(f"{name}.part", "w", encoding="utf-8", newline="\n") for name in names]  # noqa: SIM115
    try:
        for number, pair in enumerate(pairs, 1):
            which = int(bool(every) and number % every == 0)
            counts[which] += 1
            for output, sentence in zip(outputs[2 * which :], pair):
                output.write(f"{sentence}\n")
    finally:
        for output in outputs:
            output.close()
    for name in names:
        os.replace(f"{name}.part", name)
    return counts


def main(arguments: Sequence[str]) -> None:
    """Read, clean and write the pairs."""
    parser = argparse.ArgumentParser(description="Write clean, aligned sentence pairs from a corpus' original files.")
    parser.add_argument("prefix")
    parser.add_argument("languages", nargs=2, metavar=("SRC", "TGT"))
    parser.add_argument("--source", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--target", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--longest", type=int, help="filter: maximum tokens per side")
    parser.add_argument("--ratio", type=float, default=9.0, help="filter: maximum ratio of the lengths (default: 9)")
    parser.add_argument("--split-hyphens", action="store_true", help="split words at hyphens when counting tokens")
    parser.add_argument("--normalize-punctuation", action="store_true", help="like Moses' normalize-punctuation.perl")
    parser.add_argument("--lowercase", action="store_true")
    parser.add_argument("--straight-quotes", action="store_true", help="replace ’ by '")
    parser.add_argument("--every", type=int, default=0, metavar="N", help="every N-th pair goes to --held-out instead")
    parser.add_argument("--held-out", default="", metavar="PREFIX")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args(arguments)
    if bool(args.every) != bool(args.held_out):
        raise ValueError("--every and --held-out are given together or not at all")
    pairs: Iterator[Pair] = aligned(args.source, args.target)
    if args.normalize_punctuation:
        pairs = normalized(pairs, args)
    if args.longest:
        pairs = filtered(pairs, args)
    if args.straight_quotes:
        pairs = ((source.replace("’", "'"), target.replace("’", "'")) for source, target in pairs)
    if args.lowercase:
        pairs = ((source.lower(), target.lower()) for source, target in pairs)
    counts = write(pairs, args.prefix, args.languages, args.every, args.held_out)
    print(", ".join(f"{name}: {count} pairs" for name, count in zip((args.prefix, args.held_out), counts)))


if __name__ == "__main__":
    files.run(main)
