"""Text of the miniature corpora, and the archives it is packed into: the same bytes at every run.

German and English come from the quickstart's grammar. The other languages are no languages but English words respelled
by a rule that a model can learn, in letters of the language they stand for.
"""

import functools
import gzip
import io
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

Pair = Tuple[str, str]
CORPUS = Path(__file__).resolve().parents[3] / "examples" / "quickstart" / "corpus"


@functools.lru_cache(maxsize=None)
def _stream() -> Iterator[Pair]:
    """All German-English pairs there are, each once; made as far as they are asked for."""
    sys.path.insert(0, str(CORPUS))
    try:
        import generate  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(CORPUS))
    return generate.sentence_pairs(seed=7)


_DRAWN: List[Pair] = []


def german_english(first: int, count: int) -> List[Pair]:
    """Pairs ``first`` to ``first + count``: no two are the same."""
    stream = _stream()
    while len(_DRAWN) < first + count:
        _DRAWN.append(next(stream))
    return _DRAWN[first : first + count]


def _by_word(respell: Callable[[str], str]) -> Callable[[str], str]:
    """A rule for words as a rule for sentences: punctuation stays where it is, as do capitals at the start."""

    def sentence(text: str) -> str:
        words = []
        for word in text.split():
            core = word.rstrip(".,!?")
            words.append(respell(core.lower()) + word[len(core) :])
        return " ".join(words)[:1].upper() + " ".join(words)[1:]

    return sentence


def _thai(text: str) -> str:
    """Every letter becomes a Thai consonant."""
    return "".join(chr(0xE01 + ord(c) - ord("a")) if "a" <= c <= "z" else c for c in text.lower())


RESPELLED: Dict[str, Callable[[str], str]] = {
    "fr": _by_word(lambda word: word[::-1].replace("e", "é")),
    "pt": _by_word(lambda word: f"{word.replace('c', 'ç')}o"),
    "tr": _by_word(lambda word: word[1:].replace("s", "ş") + word[:1]),
    "th": _thai,
}


def pairs(source: str, target: str, first: int, count: int) -> List[Pair]:
    """Pairs of sentences in two languages."""

    def say(language: str, german: str, english: str) -> str:
        return {"de": german, "en": english}.get(language) or RESPELLED[language](english)

    return [(say(source, *pair), say(target, *pair)) for pair in german_english(first, count)]


def spoiled(clean: List[Pair]) -> List[Pair]:
    """Clean pairs with what real corpora have: odd spaces and line ends, and pairs that cleaning has to drop.

    Every tenth pair has a space too many, another a no-break space, a third a carriage return at its end. Four pairs
    are put in: one side empty, both sides too long, one side far longer than the other, and nothing but spaces.
    """
    ugly = []
    for number, (source, target) in enumerate(clean):
        if number % 10 == 3:
            source = source.replace(" ", "  ", 1)
        elif number % 10 == 5:
            target = target.replace(" ", "\u00a0", 1)
        elif number % 10 == 7:
            source, target = f"{source} \r", f" {target}\r"
        ugly.append((source, target))
    ugly[1:1] = [("", "There is nothing to the left of this.")]
    ugly[4:4] = [("zu lang " * 150, "too long " * 150)]
    ugly[7:7] = [("kurz", "not short at all , but very , very , very much longer than that")]
    ugly.append((" \u00a0 ", " "))
    return ugly


def text(lines: List[str]) -> bytes:
    """Lines as a file's content."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def write(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def gzipped(content: bytes) -> bytes:
    """Compressed, without the time of day."""
    output = io.BytesIO()
    with gzip.GzipFile(fileobj=output, mode="wb", mtime=0) as packed:
        packed.write(content)
    return output.getvalue()


def tar(members: Dict[str, bytes]) -> bytes:
    """An uncompressed tar archive."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def tgz(members: Dict[str, bytes]) -> bytes:
    """A gzipped tar archive."""
    return gzipped(tar(members))


def zipped(members: Dict[str, bytes]) -> bytes:
    """A zip archive."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return output.getvalue()
