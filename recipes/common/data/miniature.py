"""Write a miniature of a data set: the files that its script reads, in their original formats, of few sentences.

python -m recipes.common.data.miniature NAME FOLDER [--sentences N]

FOLDER then serves as SOURCE of recipes/common/data/NAME.sh, with CHECKSUMS=skip. The text is generated. It contains the
flaws of real corpora (see miniature_text.spoiled), which the scripts must clean.
"""

import argparse
import html
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Sequence, Tuple

from recipes.common.data import files
from recipes.common.data import miniature_text as make

Members = Dict[str, bytes]
HELD_OUT = 12  # the largest number of dev and test sets of a data set
TALK = (
    "<url>http://www.ted.com/talks/miniature_{0}</url>",
    "<keywords>miniature, talk</keywords>",
    "<speaker>Nobody</speaker>",
    "<talkid>{0}</talkid>",
)


def held_out(source: str, target: str, number: int, sentences: int) -> List[make.Pair]:
    """Return the pairs of the *number*-th dev or test set.

    It has a tenth of the training set's size and shares no pair with another set.
    """
    size = max(4, sentences // 10)
    return make.pairs(source, target, number * size, size)


def training(source: str, target: str, sentences: int) -> List[make.Pair]:
    """Return the training pairs, with flaws; they are drawn after the pairs of all dev and test sets."""
    return make.spoiled(make.pairs(source, target, HELD_OUT * max(4, sentences // 10), sentences))


def tagged(pairs: List[make.Pair], side: int) -> bytes:
    """Return one side of IWSLT's training text: talks of 20 sentences, each after lines of tags."""
    lines = []
    for number, pair in enumerate(pairs):
        if number % 20 == 0:
            lines += [tag.format(number // 20 + 1) for tag in TALK]
            lines += [f"<title>Miniature: {pair[side]}</title>", f"<description>About {pair[side]}</description>"]
        lines.append(pair[side])
    return make.text(lines)


def xml(pairs: List[make.Pair], side: int, language: str) -> bytes:
    """Return one side of an IWSLT dev or test set."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<mteval>", f'<srcset setid="miniature" srclang="{language}">']
    lines += ['<doc docid="1" genre="lectures">', "<title>Miniature</title>"]
    lines += [f'<seg id="{n}"> {html.escape(pair[side], quote=False)}  </seg>' for n, pair in enumerate(pairs, 1)]
    return make.text([*lines, "</doc>", "</srcset>", "</mteval>"])


def sgm(pairs: List[make.Pair], side: int, language: str) -> bytes:
    """Return one side of a WMT test set."""
    lines = [f'<srcset setid="miniature" srclang="{language}">', '<doc docid="1" genre="news">', "<p>"]
    lines += [f'<seg id="{n}">{pair[side]}</seg>' for n, pair in enumerate(pairs, 1)]
    return make.text([*lines, "</p>", "</doc>", "</srcset>"])


def iwslt(source: str, target: str, year: int, sets: Sequence[str], sentences: int) -> Members:
    """Return the members of a WIT3 archive of a language pair."""
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


def german_english(sentences: int, names: Sequence[str]) -> Iterator[Tuple[str, bytes]]:
    """Yield a file per language of training, validation and test set, which have these *names*: its name and text."""
    sets = (
        make.pairs("de", "en", sentences, sentences), held_out("de", "en", 0, sentences),
        held_out("de", "en", 1, sentences),
    )  # fmt: skip
    for name, pairs in zip(names, sets):
        for side, language in enumerate(("de", "en")):
            yield f"{name}.{language}", make.text([pair[side] for pair in pairs])


def grammar(folder: Path, sentences: int) -> None:
    """Write the files of the grammar corpus."""
    for name, text in german_english(sentences, ("train", "valid", "test")):
        make.write(folder / name, text)


def multi30k(folder: Path, sentences: int) -> None:
    """Write Multi30k's task 1: gzipped text."""
    for name, text in german_english(sentences, ("train", "val", "test_2016_flickr")):
        make.write(folder / f"{name}.gz", make.gzipped(text))


def iwslt14_de_en(folder: Path, sentences: int) -> None:
    """Write WIT3's archive as fairseq publishes it."""
    sets = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
    make.write(folder / "de-en.tgz", make.tgz(iwslt("de", "en", 14, sets, sentences)))


def iwslt15_th_en(folder: Path, sentences: int) -> None:
    """Write WIT3's archive of the year, which contains the archive of the pair; one of the sets is missing."""
    sets = ("TED.dev2010", "TED.tst2010", "TED.tst2012", "TED.tst2013")
    pair = make.tgz(iwslt("th", "en", 15, sets, sentences))
    make.write(folder / "2015-01.tgz", make.tgz({"2015-01/texts/th/en/th-en.tgz": pair}))


def ted(folder: Path, sentences: int) -> None:
    """Write the multitarget TED talks, Portuguese and Turkish."""
    members = {}
    for language in ("pt", "tr"):
        for split, pairs in (
            ("train", training(language, "en", sentences)),
            ("dev", held_out(language, "en", 0, sentences)),
            ("test1", held_out(language, "en", 1, sentences)),
        ):
            for side, side_language in enumerate((language, "en")):
                name = f"multitarget-ted/en-{language}/raw/ted_{split}_en-{language}.raw.{side_language}"
                members[name] = make.text([pair[side] for pair in pairs])
    make.write(folder / "multitarget-ted.tgz", make.tgz(members))


def wmt(folder: Path, sentences: int, other: str, corpora: Dict[str, str], years: Sequence[int]) -> None:
    """Write WMT's training corpora and test sets.

    Args:
        folder: the folder to write to.
        sentences: number of training pairs, which the corpora share equally.
        other: the other language; the first is English.
        corpora: by archive, the name of its member, with ``{}`` for the language.
        years: the years of the test sets.
    """
    train = training("en", other, sentences)
    part = -(-len(train) // len(corpora))
    for number, (archive, name) in enumerate(corpora.items()):
        pairs = train[number * part : (number + 1) * part]
        names = {language: name.format(language) for language in ("en", other)}
        members = {names[language]: make.text([pair[i] for pair in pairs]) for i, language in enumerate(names)}
        if archive.endswith(".tar"):
            packed = make.tar({inner: make.gzipped(content) for inner, content in members.items()})
        else:
            packed = make.tgz(members)
        make.write(folder / archive, packed)
    for number, year in enumerate(years):
        pairs = held_out("en", other, number, sentences)
        pair = f"{other}en" if year == 2014 else f"en{other}"
        top = {2011: "", 2014: "test-full/", 2019: "sgm/"}.get(year, "test/")
        members = {}
        for side, language in enumerate(("en", other)):
            kind = f"-src.{language}" if year < 2014 else f"-{pair}-{('src', 'ref')[side]}.{language}"
            members[f"{top}newstest{year}{kind}.sgm"] = sgm(pairs, side, language)
        file = "test-full.tgz" if year == 2014 else "test.tgz"
        make.write(folder / f"wmt{year - 2000}" / file, make.tgz(members))


EUROPARL = {"wmt13/training-parallel-europarl-v7.tgz": "training/europarl-v7.{pair}.{{}}"}
COMMONCRAWL = {"wmt13/training-parallel-commoncrawl.tgz": "commoncrawl.{pair}.{{}}"}


def corpora(pair: str, *others: str) -> Dict[str, str]:
    """Return the corpora of a pair for `wmt`: Europarl, Common Crawl, and others written as ``archive name``."""
    listed = {**EUROPARL, **COMMONCRAWL, **dict(other.split() for other in others)}
    return {archive: name.format(pair=pair) for archive, name in listed.items()}


def wmt16_en_de(folder: Path, sentences: int) -> None:
    """Write corpora and test sets of WMT'16."""
    news = "wmt16/training-parallel-nc-v11.tgz training-parallel-nc-v11/news-commentary-v11.{pair}.{{}}"
    wmt(folder, sentences, "de", corpora("de-en", news), (*range(2010, 2017), 2018, 2019))


def wmt18_en_de(folder: Path, sentences: int) -> None:
    """Write corpora and test sets of WMT'18."""
    news = "wmt18/training-parallel-nc-v13.tgz training-parallel-nc-v13/news-commentary-v13.{pair}.{{}}"
    wmt(folder, sentences, "de", corpora("de-en", news, "wmt18/rapid2016.tgz rapid2016.{pair}.{{}}"), (2017, 2018))


def wmt14_en_fr(folder: Path, sentences: int) -> None:
    """Write corpora and test sets of WMT'14."""
    others = (
        "wmt13/training-parallel-un.tgz un/undoc.2000.{pair}.{{}}",
        "wmt14/training-parallel-nc-v9.tgz training/news-commentary-v9.{pair}.{{}}",
        "wmt10/training-giga-fren.tar giga-fren.release2.fixed.{{}}.gz",
    )
    wmt(folder, sentences, "fr", corpora("fr-en", *others), (2013, 2014))


def wikitext103(folder: Path, sentences: int) -> None:
    """Write WikiText-103: articles with headings, in tokens."""
    members = {}
    for split, pairs in (
        ("train", make.pairs("de", "en", sentences, sentences)),
        ("valid", held_out("de", "en", 0, sentences)),
        ("test", held_out("de", "en", 1, sentences)),
    ):
        lines = []
        for number, (_, english) in enumerate(pairs):
            if number % 10 == 0:
                lines += [" ", f" = Miniature {number // 10} = ", " "]
            lines.append(f" {english[:-1].replace(',', ' ,')} {english[-1]} ")
        members[f"wikitext-103/wiki.{split}.tokens"] = make.text(lines)
    make.write(folder / "wikitext-103-v1.zip", make.zipped(members))


def librispeech(folder: Path, sentences: int) -> None:
    """Write OpenSLR's archives, with fewer utterances than other miniatures have sentences, since audio takes space."""
    from recipes.common.data import miniature_speech, speech_archive

    size = max(5, sentences // 10)
    first = 0
    for split in ("dev-clean", "dev-other", "test-clean", "test-other", *TRAINING_SPEECH):
        utterances = size if split == "train-clean-100" else max(5, size // 4)
        spoken = miniature_speech.sentences(first, utterances)
        make.write(
            folder / f"{split}.tar.gz", make.tgz(speech_archive.members(split, spoken, miniature_speech.RATE))
        )
        first += 4 * utterances


TRAINING_SPEECH = ("train-clean-100", "train-clean-360", "train-other-500")
MINIATURES: Dict[str, Callable[[Path, int], None]] = {
    make_one.__name__: make_one
    for make_one in (
        grammar, multi30k, iwslt14_de_en, iwslt15_th_en, ted, wmt14_en_fr, wmt16_en_de, wmt18_en_de, wikitext103,
        librispeech,
    )
}  # fmt: skip


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
