"""Sample a random part of a parallel training set, the same in every run.

    python -m recipes.common.sample {text,binarised} FROM TO SRC TGT --sentences N

``text`` samples lines of FROM/train.SRC and train.TGT, ``binarised`` the data that fairseq-preprocess wrote to FROM.
Both take the same N sentence pairs and keep their order. The other splits and the dictionaries are copied to TO.
"""

import argparse
import os
import random
import shutil
from pathlib import Path
from typing import Any, List, Sequence


def chosen(total: int, sentences: int) -> List[int]:
    """Return the indices of the sampled pairs, in ascending order.

    Args:
        total: size of the training set.
        sentences: number of pairs to sample.

    Raises:
        ValueError: the training set is smaller.
    """
    if not 1 <= sentences <= total:
        raise ValueError(f"--sentences {sentences}: expected 1 to {total}, the size of the training set")
    return sorted(random.Random(1).sample(range(total), sentences))


def sample_text(source: Path, output: Path, languages: Sequence[str], sentences: int) -> None:
    """Write the sampled lines of a text, and copy the other splits.

    Raises:
        ValueError: the two languages have different numbers of lines, or fewer than *sentences*.
    """
    for split in source.glob("*.*"):
        if split.suffix[1:] in languages and split.stem != "train":
            shutil.copyfile(str(split), str(output / split.name))
    totals = [_count(source / f"train.{language}") for language in languages]
    if totals[0] != totals[1]:
        raise ValueError(f"{source}: train.{languages[0]} has {totals[0]} lines, train.{languages[1]} {totals[1]}")
    kept = set(chosen(totals[0], sentences))
    for language in languages:
        with (source / f"train.{language}").open("rb") as lines, (output / f"train.{language}").open("wb") as part:
            part.writelines(line for number, line in enumerate(lines) if number in kept)


def _count(file: Path) -> int:
    """Return the number of lines."""
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def sample_binarised(source: Path, output: Path, languages: Sequence[str], sentences: int) -> None:
    """Write the sampled pairs of binarised data, and copy the other files.

    Raises:
        ValueError: there are fewer than *sentences*.
    """
    from fairseq.data import Dictionary, data_utils, indexed_dataset

    pair = "-".join(languages)
    for file in source.iterdir():
        if not file.name.startswith(f"train.{pair}."):
            shutil.copyfile(str(file), str(output / file.name))
    for language in languages:
        name = f"train.{pair}.{language}"
        pairs = data_utils.load_indexed_dataset(str(source / name), None, dataset_impl="mmap")
        words = len(Dictionary.load(str(source / f"dict.{language}.txt")))
        builder: Any = indexed_dataset.make_builder(str(output / f"{name}.bin"), impl="mmap", vocab_size=words)
        for number in chosen(len(pairs), sentences):
            builder.add_item(pairs[number])
        builder.finalize(str(output / f"{name}.idx"))


def main() -> None:
    """Write the sample to a temporary folder and rename it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("text", "binarised"))
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("output", type=Path, metavar="TO")
    parser.add_argument("languages", nargs=2, metavar=("SRC", "TGT"))
    parser.add_argument("--sentences", type=int, required=True, metavar="N")
    args = parser.parse_args()
    partial = args.output.with_suffix(".part")
    for folder in (partial, args.output):
        shutil.rmtree(str(folder), ignore_errors=True)
    partial.mkdir(parents=True)
    sample = sample_text if args.kind == "text" else sample_binarised
    sample(args.source, partial, args.languages, args.sentences)
    os.replace(partial, args.output)


if __name__ == "__main__":
    main()
