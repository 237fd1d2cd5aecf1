"""Split parallel text into sub-words: train one SentencePiece model on both languages and apply it to every split.

python -m recipes.common.data.subwords TEXT FOLDER [--languages de,en] [--vocabulary N] [--splits train,valid,test]

It reads SPLIT.LANG in TEXT and writes the model, and SPLIT.LANG in pieces, to FOLDER.
"""

import os
from typing import Iterator, List, Sequence

from recipes.common.data import files, splits


def thinned(paths: Sequence[str], lines: int) -> Iterator[str]:
    """Yield every n-th line of all files together, with the smallest n that leaves at most *lines* lines."""
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
    """Train the model ``PREFIX.model``, on at most *lines* lines; every run gives the same pieces."""
    import sentencepiece

    few = sum(1 for path in paths for _ in files.read_lines(path)) <= lines
    text = {"input": paths} if few else {"sentence_iterator": thinned(paths, lines)}
    sentencepiece.SentencePieceTrainer.train(
        **text,
        model_prefix=prefix,
        vocab_size=vocabulary,
        character_coverage=1.0,
        num_threads=1,  # several threads sum in another order in every run
        minloglevel=2,
    )


def encode(model: str, source: str, target: str, workers: int) -> None:
    """Split the text in *source* into subword pieces of *model* and write them to *target*."""
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
    """Train the model on the training text and encode every split."""
    parser = splits.splits_parser(
        "Split parallel text into sub-words that both languages share.", "folder for the model and the split text"
    )
    parser.add_argument("--vocabulary", type=int, default=4000, help="number of pieces, shared by both languages")
    parser.add_argument("--lines", type=int, default=2_000_000, help="maximum number of lines to learn the pieces from")
    args = parser.parse_args(arguments)
    names = splits.split_names(args)
    missing = [path for path in (os.path.join(args.text, name) for name in names) if not os.path.isfile(path)]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    os.makedirs(args.destination, exist_ok=True)
    prefix = os.path.join(args.destination, "sentencepiece.bpe")
    train(splits.training_files(args), prefix, args.vocabulary, args.lines)
    for name in names:
        encode(f"{prefix}.model", os.path.join(args.text, name), os.path.join(args.destination, name), args.workers)


if __name__ == "__main__":
    files.run(main)
