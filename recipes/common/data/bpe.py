"""Joint BPE of two languages by subword-nmt: learn it from the training text, apply it to every split.

python -m recipes.common.data.bpe TOKENS FOLDER --languages de,en --splits train,valid,test --merges N [--workers N]

Reads SPLIT.LANG in TOKENS, which is text in tokens; writes FOLDER/codes, the merges, and SPLIT.LANG in FOLDER.
"""

import argparse
import functools
import itertools
import os
from typing import Any, Sequence

from recipes.common.data import files, workers


def learn(paths: Sequence[str], codes: str, merges: int) -> None:
    """Learn merges from several texts taken together, and write them."""
    from subword_nmt.learn_bpe import learn_bpe

    lines = itertools.chain.from_iterable(files.read_lines(path) for path in paths)
    with files.written_whole(codes) as output:
        learn_bpe(lines, output, merges)


@functools.lru_cache(maxsize=None)
def merger(codes: str) -> Any:
    """What splits a sentence by the merges in a file."""
    from subword_nmt.apply_bpe import BPE

    with open(codes, encoding="utf-8") as merges:
        return BPE(merges)


def split_line(line: str, codes: str) -> str:
    """A sentence in sub-words; a function that other processes can be sent."""
    return merger(codes).process_line(line)


def main(arguments: Sequence[str]) -> None:
    """Learn and apply."""
    parser = argparse.ArgumentParser(description="Split parallel text in tokens into sub-words by joint BPE.")
    parser.add_argument("text", help="folder with SPLIT.LANG")
    parser.add_argument("destination", help="folder for the merges and the split text")
    parser.add_argument("--languages", default="de,en", help="the two languages, separated by a comma")
    parser.add_argument("--splits", default="train,valid,test", help="separated by commas; train teaches the merges")
    parser.add_argument("--merges", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args(arguments)
    languages = args.languages.split(",")
    codes = os.path.join(args.destination, "codes")
    learn([os.path.join(args.text, f"train.{language}") for language in languages], codes, args.merges)
    with workers.Workers(args.workers) as processes:
        for split, language in itertools.product(args.splits.split(","), languages):
            name = f"{split}.{language}"
            with files.written_whole(os.path.join(args.destination, name)) as output:
                for block in workers.blocks(files.read_lines(os.path.join(args.text, name))):
                    pieces = processes.map(functools.partial(split_line, codes=codes), block)
                    output.writelines(f"{line}\n" for line in pieces)


if __name__ == "__main__":
    files.run(main)
