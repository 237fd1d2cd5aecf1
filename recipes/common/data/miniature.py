"""A miniature of a data set: the files that its script reads, in their original formats, a few hundred sentences large.

python -m recipes.common.data.miniature NAME FOLDER [--sentences N]

FOLDER then serves as SOURCE of recipes/common/data/NAME.sh, with CHECKSUMS=skip. The text is made up; it has the ugly
things real corpora have (see miniature_text.spoiled), which the scripts must clean.
"""

import argparse
import html
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from recipes.common.data import files
from recipes.common.data import miniature_text as make

Members = Dict[str, bytes]
HELD_OUT = 12  # dev and test sets of any one data set, at most
TALK = (
    "<url>http://www.ted.com/talks/miniature_{0}</url>",
    "<keywords>miniature, talk</keywords>",
    "<speaker>Nobody</speaker>",
    "<talkid>{0}</talkid>",
)


def held_out(source: str, target: str, number: int, sentences: int) -> List[make.Pair]:
    """The pairs of the ``number``-th dev or test set: a tenth of the training set's number, and in no other set."""
    size = max(4, sentences // 10)
    return make.pairs(source, target, number * size, size)


def training(source: str, target: str, sentences: int) -> List[make.Pair]:
    """The training pairs, with all that is ugly; they come after those of all dev and test sets."""
    return make.spoiled(make.pairs(source, target, HELD_OUT * max(4, sentences // 10), sentences))


def tagged(pairs: List[make.Pair], side: int) -> bytes:
    """One side of IWSLT's training text: talks of 20 sentences, after lines of tags."""
    lines = []
    for number, pair in enumerate(pairs):
        if number % 20 == 0:
            lines += [tag.format(number // 20 + 1) for tag in TALK]
            lines += [f"<title>Miniature: {pair[side]}</title>", f"<description>About {pair[side]}</description>"]
        lines.append(pair[side])
    return make.text(lines)


def xml(pairs: List[make.Pair], side: int, language: str) -> bytes:
    """One side of an IWSLT dev or test set."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<mteval>", f'<srcset setid="miniature" srclang="{language}">']
    lines += ['<doc docid="1" genre="lectures">', "<title>Miniature</title>"]
    lines += [f'<seg id="{n}"> {html.escape(pair[side], quote=False)}  </seg>' for n, pair in enumerate(pairs, 1)]
    return make.text([*lines, "</doc>", "</srcset>", "</mteval>"])


def sgm(pairs: List[make.Pair], side: int, language: str) -> bytes:
    """One side of a WMT test set."""
    lines = [f'<srcset setid="miniature" srclang="{language}">', '<doc docid="1" genre="news">', "<p>"]
    lines += [f'<seg id="{n}">{pair[side]}</seg>' for n, pair in enumerate(pairs, 1)]
    return make.text([*lines, "</p>", "</doc>", "</srcset>"])


def iwslt(source: str, target: str, year: int, sets: Sequence[str], sentences: int) -> Members:
    """The members of a WIT3 archive of a pair."""
    name = f"{source}-{target}"
    train = training(source, target, sentences)
    members = {}
    for side, language in enumerate((source, target)):
        members[f"{name}/train.tags.{name}.{language}"] = tagged(train, side)
        for number, part in enumerate(sets):
            pairs = held_out(source, target, number, sentences)
            pairs[0] = (f"{pairs[0][0]} Q & A, it’s", f"{pairs[0][1]} Q & A, it’s")
            members[f"{name}/IWSLT{year}.{part}.{name}.{language}.xml"] = xml(pairs, side, language)
    return members


def multi30k(folder: Path, sentences: int) -> None:
    """Multi30k's task 1: gzipped text."""
    for split, pairs in (
        ("train", make.pairs("de", "en", sentences, sentences)),
        ("val", held_out("de", "en", 0, sentences)),
        ("test_2016_flickr", held_out("de", "en", 1, sentences)),
    ):
        for side, language in enumerate(("de", "en")):
            content = make.text([pair[side] for pair in pairs])
            make.write(folder / f"{split}.{language}.gz", make.gzipped(content))


def iwslt14_de_en(folder: Path, sentences: int) -> None:
    """WIT3's archive as fairseq keeps it."""
    sets = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
    make.write(folder / "de-en.tgz", make.tgz(iwslt("de", "en", 14, sets, sentences)))


MINIATURES: Dict[str, Callable[[Path, int], None]] = {
    "multi30k": multi30k,
    "iwslt14_de_en": iwslt14_de_en,
}


def main(arguments: Sequence[str]) -> None:
    """Write one miniature."""
    parser = argparse.ArgumentParser(description="Write a miniature of a data set in its original format.")
    parser.add_argument("name", choices=sorted(MINIATURES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=200, help="training sentences (default: 200; at least 20)")
    args = parser.parse_args(arguments)
    if args.sentences < 20:
        raise ValueError(f"--sentences {args.sentences}: expected at least 20")
    MINIATURES[args.name](args.folder, args.sentences)


if __name__ == "__main__":
    files.run(main)
