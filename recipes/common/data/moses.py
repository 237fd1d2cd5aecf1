"""Moses tokenisation by sacremoses, in several processes: the same text whatever their number.

python -m recipes.common.data.moses TEXT FOLDER --languages de,en --splits train,valid,test [--lowercase]
    [--split-hyphens] [--workers N]
"""

import argparse
import functools
import itertools
import multiprocessing
import os
from typing import Any, Callable, Iterable, Iterator, List, Sequence

from recipes.common.data import files

BLOCK = 20_000  # lines held at a time
Tokenizer = Callable[[str], str]


@functools.lru_cache(maxsize=None)
def tokenizer(language: str, split_hyphens: bool) -> Tokenizer:
    """What splits a sentence into tokens with a space between, special characters escaped as Moses does."""
    from sacremoses import MosesTokenizer

    moses = MosesTokenizer(lang=language)
    return functools.partial(moses.tokenize, aggressive_dash_splits=split_hyphens, return_str=True)


def _tokenized(line: str, language: str, split_hyphens: bool) -> str:
    return tokenizer(language, split_hyphens)(line)


def blocks(lines: Iterable[Any], size: int = BLOCK) -> Iterator[List[Any]]:
    """The lines, in lists of a size that memory can hold."""
    iterator = iter(lines)
    return iter(lambda: list(itertools.islice(iterator, size)), [])


class Tokenizers:
    """Tokenizers of any language in several processes: ``tokenizers(lines, language)`` is the lines in tokens."""

    def __init__(self, split_hyphens: bool, workers: int) -> None:
        self.split_hyphens = split_hyphens
        self._pool = multiprocessing.Pool(workers) if workers > 1 else None

    def __call__(self, lines: List[str], language: str) -> List[str]:
        work = functools.partial(_tokenized, language=language, split_hyphens=self.split_hyphens)
        return list(map(work, lines)) if self._pool is None else self._pool.map(work, lines, chunksize=500)

    def __enter__(self) -> "Tokenizers":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.terminate()


def main(arguments: Sequence[str]) -> None:
    """Tokenise all splits."""
    parser = argparse.ArgumentParser(description="Tokenise parallel text as Moses does.")
    parser.add_argument("text", help="folder with SPLIT.LANG")
    parser.add_argument("destination", help="folder for the same files in tokens")
    parser.add_argument("--languages", default="de,en", help="the two languages, separated by a comma")
    parser.add_argument("--splits", default="train,valid,test", help="separated by commas")
    parser.add_argument("--lowercase", action="store_true")
    parser.add_argument("--split-hyphens", action="store_true", help="split at hyphens, which become @-@ (Moses' -a)")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args(arguments)
    with Tokenizers(args.split_hyphens, args.workers) as tokenizers:
        for split, language in itertools.product(args.splits.split(","), args.languages.split(",")):
            name = f"{split}.{language}"
            with files.written_whole(os.path.join(args.destination, name)) as output:
                for block in blocks(files.read_lines(os.path.join(args.text, name))):
                    for line in tokenizers(block, language):
                        output.write(f"{line.lower() if args.lowercase else line}\n")


if __name__ == "__main__":
    files.run(main)
