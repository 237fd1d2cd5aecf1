"""Text and dictionaries as Windows writes them."""

from pathlib import Path

import pytest
from fairseq.data import Dictionary

from fairseq_flexdepth.files.binarised_data import read_dictionary
from fairseq_flexdepth.files.text import read_lines
from recipes.common.data import files, sentences
from recipes.common.generate_log import read_generate_log
from tests.unit.test_generate_log import SENTENCES, TRANSLATED

# Characters at which Python's splitlines() ends a line, too.
NO_LINE_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
TEXT = f"a{NO_LINE_ENDS}b\r\n\n\ufeffc\rd\r\ne"
LINES = [f"a{NO_LINE_ENDS}b", "", "\ufeffc\rd", "e"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_lines(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT.encode(encoding))
    assert read_lines(str(path), "--references") == LINES
    assert list(files.read_lines(str(path))) == LINES
    path.write_bytes(b"")
    assert read_lines(str(path), "--references") == list(files.read_lines(str(path))) == []


def test_tags_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "train.tags.de-en.de"
    path.write_bytes("<url>http</url>\r\nHallo\r\n".encode("utf-8-sig"))
    assert list(sentences.read(str(path))) == ["Hallo"]
    path.write_bytes("Hallo\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"train.tags.de-en.de: is in UTF-16; expected text in UTF-8"):
        list(sentences.read(str(path)))


def test_line_ends_within_translations(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes((SENTENCES.replace("yeah", f"ye{NO_LINE_ENDS}\rah") + TRANSLATED).encode())
    assert read_generate_log(path).hypotheses == [f"ye{NO_LINE_ENDS}\rah", "a dog"]


@pytest.mark.parametrize("words", ["w1 2\nw2 1\n", "w1 2\r\nw2 1\r\n"])
def test_a_dictionary_that_begins_with_a_byte_order_mark(words: str, tmp_path: Path) -> None:
    path = tmp_path / "dict.src.txt"
    path.write_bytes(words.encode())
    expected = read_dictionary(str(path))
    assert expected == Dictionary.load(str(path))
    path.write_bytes(words.encode("utf-8-sig"))
    found = read_dictionary(str(path))
    assert found == expected
    assert found.string([4, 5]) == "w1 w2"
    path.write_bytes(f"{words}w1 1\n".encode("utf-8-sig"))  # another word, as fairseq reads it
    assert read_dictionary(str(path)).string([4, 5, 6]) == "\ufeffw1 w2 w1"
    path.write_bytes(b"")
    assert len(read_dictionary(str(path))) == 4
