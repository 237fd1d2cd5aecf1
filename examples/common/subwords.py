"""Split parallel text into sub-words: train one SentencePiece model on both languages and apply it to every split.

Reads SPLIT.LANG for the splits train, valid and test in the folder given, and writes the model and
SPLIT.LANG in pieces to the destination.
"""

import argparse
import os
import sys

import sentencepiece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", help="folder with train.LANG, valid.LANG and test.LANG")
    parser.add_argument("destination", help="folder for the model and the split text")
    parser.add_argument("--languages", default="de,en", help="the two languages, separated by a comma")
    parser.add_argument("--vocabulary", type=int, default=4000, help="number of pieces, shared by both languages")
    args = parser.parse_args()
    languages = args.languages.split(",")
    missing = [
        path
        for split in ("train", "valid", "test")
        for language in languages
        for path in [os.path.join(args.text, f"{split}.{language}")]
        if not os.path.isfile(path)
    ]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    os.makedirs(args.destination, exist_ok=True)
    prefix = os.path.join(args.destination, "sentencepiece.bpe")
    sentencepiece.SentencePieceTrainer.train(
        input=[os.path.join(args.text, f"train.{language}") for language in languages],
        model_prefix=prefix,
        vocab_size=args.vocabulary,
        character_coverage=1.0,
        num_threads=1,  # the same pieces at every run
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    for split in ("train", "valid", "test"):
        for language in languages:
            name = f"{split}.{language}"
            with open(os.path.join(args.text, name), encoding="utf-8") as lines:
                encoded = [" ".join(pieces.encode(line.strip(), out_type=str)) for line in lines]
            with open(os.path.join(args.destination, name), "w", encoding="utf-8") as output:
                output.writelines(f"{line}\n" for line in encoded)


if __name__ == "__main__":
    main()
