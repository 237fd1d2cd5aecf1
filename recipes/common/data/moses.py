"""Moses tokenisation by sacremoses, in several processes: the same text whatever their number.

python -m recipes.common.data.moses TEXT FOLDER --languages de,en --splits train,valid,test [--lowercase]
    [--split-hyphens] [--workers N]
"""

import argparse
import functools
import itertools
import os
from typing import Callable, Sequence

from recipes.common.data import files, workers

Tokenizer = Callable[[str], str]


@functools.lru_cache(maxsize=None)
def tokenizer(language: str, split_hyphens: bool) -> Tokenizer:
    """What splits a sentence into tokens with a space between, special characters escaped as Moses does."""
    from sacremoses import MosesTokenizer

    moses = MosesTokenizer(lang=language)
    return functools.partial(moses.tokenize, aggressive_dash_splits=split_hyphens, return_str=True)


def tokenized(line: str, language: str, split_hyphens: bool) -> str:
    """A sentence in tokens; a function that other processes can be sent."""
    return tokenizer(language, split_hyphens)(line)


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
    with workers.Workers(args.workers) as processes:
        for split, language in itertools.product(args.splits.split(","), args.languages.split(",")):
            name = f"{split}.{language}"
            work = functools.partial(tokenized, language=language, split_hyphens=args.split_hyphens)
            with files.written_whole(os.path.join(args.destination, name)) as output:
                for block in workers.blocks(files.read_lines(os.path.join(args.text, name))):
                    for line in processes.map(work, block):
                        output.write(f"{line.lower() if args.lowercase else line}\n")


if __name__ == "__main__":
    files.run(main)
