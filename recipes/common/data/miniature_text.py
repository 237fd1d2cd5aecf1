"""Text of the miniature corpora, and their archives: the same bytes in every run.

German and English come from the quickstart's grammar. The other "languages" are English words respelled by a rule that
a model can learn, with letters of the language that they stand for.
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
    """Return the stream of all German-English pairs of the grammar, each once."""
    sys.path.insert(0, str(CORPUS))
    try:
        import generate  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(CORPUS))
    return generate.sentence_pairs(seed=7)


_DRAWN: List[Pair] = []


def german_english(first: int, count: int) -> List[Pair]:
    """Return pairs ``first`` to ``first + count - 1`` of the stream, which are all different."""
    stream = _stream()
    while len(_DRAWN) < first + count:
        _DRAWN.append(next(stream))
    return _DRAWN[first : first + count]


def _by_word(respell: Callable[[str], str]) -> Callable[[str], str]:
    """Turn a rule for words into a rule for sentences, which keeps punctuation and the capital at the start."""

    def sentence(text: str) -> str:
        words = []
        for word in text.split():
            core = word.rstrip(".,!?")
            words.append(respell(core.lower()) + word[len(core) :])
        return " ".join(words)[:1].upper() + " ".join(words)[1:]

    return sentence


def _thai(text: str) -> str:
    """Replace every letter by a Thai consonant."""
    return "".join(chr(0xE01 + ord(c) - ord("a")) if "a" <= c <= "z" else c for c in text.lower())


RESPELLED: Dict[str, Callable[[str], str]] = {
    "fr": _by_word(lambda word: word[::-1].replace("e", "é")),
    "pt": _by_word(lambda word: f"{word.replace('c', 'ç')}o"),
    "tr": _by_word(lambda word: word[1:].replace("s", "ş") + word[:1]),
    "th": _thai,
}


def pairs(source: str, target: str, first: int, count: int) -> List[Pair]:
    """Return pairs ``first`` to ``first + count - 1`` in two languages."""

    def say(language: str, german: str, english: str) -> str:
        return {"de": german, "en": english}.get(language) or RESPELLED[language](english)

    return [(say(source, *pair), say(target, *pair)) for pair in german_english(first, count)]


def spoiled(clean: List[Pair]) -> List[Pair]:
    """Add the flaws of real corpora to clean pairs: odd spaces and line ends, and pairs that cleaning must drop.

    Of every ten pairs one gets a double space, one a no-break space, and one carriage returns. Four pairs are inserted:
    with an empty side, with two sides that are too long, with very different lengths, and with spaces alone.
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
    """Return lines as the content of a file."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def write(path: Path, content: bytes) -> None:
    """Write a file, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def gzipped(content: bytes) -> bytes:
    """Return gzipped content, without the current time."""
    output = io.BytesIO()
    with gzip.GzipFile(fileobj=output, mode="wb", mtime=0) as packed:
        packed.write(content)
    return output.getvalue()


def tar(members: Dict[str, bytes]) -> bytes:
    """Return an uncompressed tar archive."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def tgz(members: Dict[str, bytes]) -> bytes:
    """Return a gzipped tar archive."""
    return gzipped(tar(members))


def zipped(members: Dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return output.getvalue()
