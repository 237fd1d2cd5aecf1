"""Text files as people have them: of Windows or not, with a byte order mark or without."""

import codecs
from typing import List, Optional

MARK = "\ufeff"  # a byte order mark, once it is decoded
# The longer marks come first: that of UTF-16 begins the one of UTF-32.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_lines(path: str, option: str) -> List[str]:
    """The lines of a text file, without their ends.

    A line feed ends a line, or a carriage return and a line feed; no other character does: texts hold U+2028 and the
    like. A byte order mark before the first line is no part of it.

    Args:
        path: the file.
        option: what names it, for error messages.

    Raises:
        ValueError: there is no such file, or it is not in UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            lines = [line.rstrip("\r\n") for line in file]
    except OSError as error:
        raise ValueError(f"{option} {path}: {error.strerror}; expected a text file") from error
    except UnicodeDecodeError as error:
        found = other_encoding(path)
        given = f", given {found}" if found else f": {error}"
        raise ValueError(f"{option} {path}: expected text in UTF-8{given}") from error
    if lines and "\0" in lines[0][:2]:
        raise ValueError(f"{option} {path}: expected text in UTF-8, given UTF-16 without a byte order mark")
    return lines


def other_encoding(path: str) -> Optional[str]:
    """The encoding that the byte order mark of a file says, if it is not UTF-8's."""
    with open(path, "rb") as file:
        start = file.read(4)
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
