"""Tokenise parallel text as Moses does, by sacremoses; the result does not depend on the number of processes.

python -m recipes.common.data.moses TEXT FOLDER --languages de,en --splits train,valid,test [--lowercase]
    [--split-hyphens] [--workers N]
"""

import functools
from typing import Callable, Sequence

from recipes.common.data import files, splits

Tokenizer = Callable[[str], str]


@functools.lru_cache(maxsize=None)
def tokenizer(language: str, split_hyphens: bool) -> Tokenizer:
    """Return the function that splits a sentence into tokens, separated by spaces, with Moses' escaped characters."""
    from sacremoses import MosesTokenizer

    moses = MosesTokenizer(lang=language)
    return functools.partial(moses.tokenize, aggressive_dash_splits=split_hyphens, return_str=True)


def tokenized(line: str, language: str, split_hyphens: bool) -> str:
    """Return a sentence in tokens; a picklable function, for worker processes."""
    return tokenizer(language, split_hyphens)(line)


def lowercased(line: str, language: str, split_hyphens: bool) -> str:
    """Return a sentence in lowercase tokens; a picklable function, too."""
    return tokenized(line, language, split_hyphens).lower()


def main(arguments: Sequence[str]) -> None:
    """Tokenise all splits."""
    parser = splits.splits_parser("Tokenise parallel text as Moses does.", "folder for the same files in tokens")
    parser.add_argument("--lowercase", action="store_true", help="lowercase the tokens")
    parser.add_argument("--split-hyphens", action="store_true", help="split at hyphens, which become @-@ (Moses' -a)")
    args = parser.parse_args(arguments)
    tokenize = lowercased if args.lowercase else tokenized
    splits.rewrite_splits(
        args, lambda language: functools.partial(tokenize, language=language, split_hyphens=args.split_hyphens)
    )


if __name__ == "__main__":
    files.run(main)
