"""Joint BPE of two languages by subword-nmt: learn it from the training text, apply it to every split.

python -m recipes.common.data.bpe TOKENS FOLDER --languages de,en --splits train,valid,test --merges N [--workers N]

It reads SPLIT.LANG in TOKENS, which is tokenised text, and writes the merges to FOLDER/codes and SPLIT.LANG to FOLDER.
"""

import functools
import itertools
import os
from typing import Any, Sequence

from recipes.common.data import files, splits


def learn(paths: Sequence[str], codes: str, merges: int) -> None:
    """Learn the merges of several texts together, and write them to *codes*."""
    from subword_nmt.learn_bpe import learn_bpe

    lines = itertools.chain.from_iterable(files.read_lines(path) for path in paths)
    with files.written_whole(codes) as output:
        learn_bpe(lines, output, merges)


@functools.lru_cache(maxsize=None)
def merger(codes: str) -> Any:
    """Return subword-nmt's object that splits sentences by the merges in a file."""
    from subword_nmt.apply_bpe import BPE

    with open(codes, encoding="utf-8") as merges:
        return BPE(merges)


def split_line(line: str, codes: str) -> str:
    """Return a sentence in sub-words; a picklable function, for worker processes."""
    return merger(codes).process_line(line)


def main(arguments: Sequence[str]) -> None:
    """Learn the merges from the training text and apply them to every split."""
    parser = splits.splits_parser(
        "Split parallel text in tokens into sub-words by joint BPE.", "folder for the merges and the split text"
    )
    parser.add_argument("--merges", type=int, required=True, help="number of merges, learnt from train")
    args = parser.parse_args(arguments)
    codes = os.path.join(args.destination, "codes")
    learn(splits.training_files(args), codes, args.merges)
    splits.rewrite_splits(args, lambda language: functools.partial(split_line, codes=codes))


if __name__ == "__main__":
    files.run(main)
