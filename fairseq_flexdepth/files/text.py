"""Read text files, with or without the byte order mark and the carriage returns of Windows."""

import codecs
from typing import List, Optional

MARK = "\ufeff"  # a byte order mark, once it is decoded
# The longer marks first: the mark of UTF-32 begins with the mark of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_lines(path: str, option: str) -> List[str]:
    """The lines of a text file, without line ends and without a byte order mark.

    A line ends with a line feed, or with a carriage return and a line feed. Other characters that Python's
    ``splitlines`` takes as line ends, such as U+2028, occur within sentences and are kept.

    Args:
        path: the file.
        option: the option that names it, for error messages.

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
    """The encoding by the byte order mark of a file, UTF-16 or UTF-32; ``None`` without such a mark."""
    with open(path, "rb") as file:
        start = file.read(4)
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
