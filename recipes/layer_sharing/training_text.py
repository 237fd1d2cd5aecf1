"""Put a training text together from parts; the other splits become links.

    python -m recipes.layer_sharing.training_text FROM INTO --languages en,de --splits valid,newstest2014 [options]

INTO/train.en becomes FROM/train.en, or its first lines (--share), followed by FROM/PART.en for each --with PART.
"""

import argparse
import itertools
import shutil
from pathlib import Path
from typing import List

from recipes.common.data.files import link, written_whole


def write_training_text(parts: List[Path], share: float, into: Path) -> None:
    """Write the first *share* of the first part's lines (1: all), then all lines of the other parts."""
    first, *others = parts
    with written_whole(str(into), "wb") as output:
        with first.open("rb") as text:
            if share == 1:
                shutil.copyfileobj(text, output, 1 << 20)
            else:
                kept = int(share * sum(1 for _ in text))
                text.seek(0)
                output.writelines(itertools.islice(text, kept))
        for other in others:
            with other.open("rb") as text:
                shutil.copyfileobj(text, output, 1 << 20)


def main() -> None:
    """Write the training text and the links."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("into", type=Path, metavar="INTO")
    parser.add_argument("--languages", required=True, metavar="L1,L2")
    parser.add_argument("--splits", required=True, metavar="SPLIT,...")
    parser.add_argument("--share", type=float, default=1.0, help="share of the lines of train to use (default: 1)")
    parser.add_argument("--with", dest="parts", action="append", default=[], metavar="PART", help="append PART.LANG")
    args = parser.parse_args()
    if not 0 < args.share <= 1:
        raise ValueError(f"--share {args.share}: expected more than 0, at most 1")
    args.into.mkdir(parents=True, exist_ok=True)
    for language in args.languages.split(","):
        parts = [args.source / f"{part}.{language}" for part in ("train", *args.parts)]
        write_training_text(parts, args.share, args.into / f"train.{language}")
        for split in args.splits.split(","):
            file = args.source / f"{split}.{language}"
            if not file.is_file():
                raise FileNotFoundError(f"{file}: no such file")
            link(file, args.into / file.name)


if __name__ == "__main__":
    main()
