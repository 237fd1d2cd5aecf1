"""Split parallel text into sub-words: train one SentencePiece model on both languages and apply it to every split.

python -m recipes.common.data.subwords TEXT FOLDER [--languages de,en] [--vocabulary N] [--splits train,valid,test]

Reads SPLIT.LANG in TEXT and writes the model and SPLIT.LANG in pieces to FOLDER.
"""

import argparse
import os
from typing import Iterator, List, Sequence

from recipes.common.data import files


def thinned(paths: Sequence[str], lines: int) -> Iterator[str]:
    """Every n-th line of the files taken together, n as small as leaves at most so many."""
    total = 0
    for path in paths:
        total += sum(1 for _ in files.read_lines(path))
    step = -(-total // lines)
    number = 0
    for path in paths:
        for line in files.read_lines(path):
            if number % step == 0:
                yield line
            number += 1


def train(paths: List[str], prefix: str, vocabulary: int, lines: int) -> None:
    """Train the model ``prefix``.model: the same pieces at every run."""
    import sentencepiece

    few = sum(1 for path in paths for _ in files.read_lines(path)) <= lines
    text = {"input": paths} if few else {"sentence_iterator": thinned(paths, lines)}
    sentencepiece.SentencePieceTrainer.train(
        **text,
        model_prefix=prefix,
        vocab_size=vocabulary,
        character_coverage=1.0,
        num_threads=1,  # several add up in another order at every run
        minloglevel=2,
    )


def encode(model: str, source: str, target: str, workers: int) -> None:
    """Write a text in pieces."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=model)
    with files.written_whole(target) as output:
        batch: List[str] = []

        def flush() -> None:
            encoded = pieces.encode(batch, out_type=str, num_threads=workers)
            output.writelines(" ".join(sentence) + "\n" for sentence in encoded)
            batch.clear()

        for line in files.read_lines(source):
            batch.append(line.strip())
            if len(batch) == 100_000:
                flush()
        flush()


def main(arguments: Sequence[str]) -> None:
    """Train and encode."""
    parser = argparse.ArgumentParser(description="Split parallel text into sub-words that both languages share.")
    parser.add_argument("text", help="folder with SPLIT.LANG")
    parser.add_argument("destination", help="folder for the model and the split text")
    parser.add_argument("--languages", default="de,en", help="the two languages, separated by a comma")
    parser.add_argument("--vocabulary", type=int, default=4000, help="number of pieces, shared by both languages")
    parser.add_argument("--splits", default="train,valid,test", help="separated by commas; train trains the model")
    parser.add_argument("--lines", type=int, default=2_000_000, help="learn the pieces from at most so many lines")
    parser.add_argument("--workers", type=int, default=1, help="threads that encode")
    args = parser.parse_args(arguments)
    names = [f"{split}.{language}" for split in args.splits.split(",") for language in args.languages.split(",")]
    missing = [path for path in (os.path.join(args.text, name) for name in names) if not os.path.isfile(path)]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    os.makedirs(args.destination, exist_ok=True)
    prefix = os.path.join(args.destination, "sentencepiece.bpe")
    training = [os.path.join(args.text, f"train.{language}") for language in args.languages.split(",")]
    train(training, prefix, args.vocabulary, args.lines)
    for name in names:
        encode(f"{prefix}.model", os.path.join(args.text, name), os.path.join(args.destination, name), args.workers)


if __name__ == "__main__":
    files.run(main)
