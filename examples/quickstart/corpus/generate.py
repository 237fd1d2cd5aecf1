"""Write a synthetic German-English parallel corpus: train, valid and test files of raw text.

    python examples/quickstart/corpus/generate.py --output DIR --pairs 20000 --valid 500 --test 500 --seed 1

The same arguments give the same bytes on every Python. No German sentence occurs twice, so no
valid or test sentence occurs in train; and the test set does not change with ``--pairs``.

``lexicon/`` contains the words and their senses, ``grammar/`` inflects and orders them in both
languages, ``sampling/`` draws phrases and clauses, ``patterns/`` joins clauses to sentences.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NoReturn, Optional, Sequence, Tuple

from patterns.mixture import draw_sentence
from sampling.dependents import DependentSampler
from sampling.draw import Draw
from sampling.variants import draw_variant

Pair = Tuple[str, str]
SHORTEST, LONGEST = 3, 35  # words of either language
VARIANTS_SEED = 1_000_000  # apart from the seeds of sentences
PATIENCE = 10_000  # stop after this number of draws without a new sentence


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def sentence_pairs(seed: int, variants: bool = False) -> Iterator[Pair]:
    """Yield pairs whose German sentences all differ, until the grammar has no new ones.

    With ``variants`` the English of each pair is drawn among its right translations. The German is the same.
    """
    sampler, wording = DependentSampler(Draw(seed)), Draw(VARIANTS_SEED + seed)
    seen = set()
    idle = 0
    while idle < PATIENCE:
        sentence = draw_sentence(sampler)
        german, english = sentence.tidied()
        words = english.split()
        lengths = len(german.split()), len(words)
        stutters = any(word == following for word, following in zip(words, words[1:]))  # tries on on Monday
        if german in seen or stutters or min(lengths) < SHORTEST or max(lengths) > LONGEST:
            idle += 1
            continue
        idle = 0
        seen.add(german)
        yield draw_variant(sentence, wording).tidied() if variants else (german, english)


def generate(sizes: Dict[str, int], seed: int, variants: bool = False) -> Dict[str, List[Pair]]:
    """Return the pairs of each split; ``sizes`` gives their numbers and the order of drawing."""
    stream = sentence_pairs(seed, variants)
    splits = {}
    for split, size in sizes.items():
        splits[split] = [pair for _, pair in zip(range(size), stream)]
        if len(splits[split]) < size:
            raise ValueError(f"{split}: expected {size} new pairs, the grammar has only {len(splits[split])}")
    return splits


def write(splits: Dict[str, List[Pair]], output: Path) -> None:
    """Write all files under temporary names, then give them their own."""
    output.mkdir(parents=True, exist_ok=True)
    names = {}
    try:
        for split, pairs in splits.items():
            for column, language in enumerate(("de", "en")):
                path = output / f"{split}.{language}"
                if path.is_dir():
                    raise IsADirectoryError(f"{path} is a directory")
                temporary = output / f".{path.name}.{os.getpid()}.tmp"
                names[temporary] = path
                text = "".join(f"{pair[column]}\n" for pair in pairs)
                temporary.write_bytes(text.encode("utf-8"))
        for temporary, path in names.items():
            os.replace(temporary, path)
    finally:
        for temporary in names:
            if temporary.exists():
                temporary.unlink()


def positive(text: str) -> int:
    """Convert an argument that must be an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def not_negative(text: str) -> int:
    """Convert an argument that must be an integer of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0, got {text!r}")
    return int(text)


def parse(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    """Read the command line."""
    parser = OneLineParser(prog="generate.py", description="Write a synthetic German-English corpus.")
    parser.add_argument("--output", type=Path, required=True, help="directory for the six files")
    for option, default, what in (
        ("pairs", 20_000, "training"),
        ("valid", 500, "validation"),
        ("test", 500, "test"),
    ):
        help_text = f"number of {what} pairs (default: {default})"
        parser.add_argument(f"--{option}", type=positive, default=default, metavar="N", help=help_text)
    parser.add_argument("--seed", type=not_negative, default=1, metavar="N", help="(default: 1)")
    help_text = "draw each English sentence among its right translations: synonyms and word orders"
    parser.add_argument("--variants", action="store_true", help=help_text)
    return parser.parse_args(arguments)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Generate and write the corpus; return the exit status."""
    options = parse(arguments)
    sizes = {"test": options.test, "valid": options.valid, "train": options.pairs}
    try:
        splits = generate(sizes, options.seed, options.variants)
        write(splits, options.output)
    except OSError as error:
        print(f"generate.py: error: --output {options.output}: {error.strerror or error}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"generate.py: error: {error}", file=sys.stderr)
        return 2
    for split in ("train", "valid", "test"):
        print(f"{options.output / split}.{{de,en}}: {len(splits[split])} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
