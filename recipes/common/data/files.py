"""Files written whole, and mistakes told in one line: what every module here shares.

Nothing here imports torch or fairseq, so that these commands start at once.
"""

import codecs
import contextlib
import gzip
import os
import sys
from typing import IO, Any, Callable, Iterable, Iterator, Sequence


@contextlib.contextmanager
def written_whole(path: str, mode: str = "w") -> Iterator[IO]:
    """A file to write to under a temporary name, which gets its own when everything is written."""
    partial = f"{path}.part"
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    with open(partial, mode, **text) as output:  # type: ignore[call-overload]
        yield output
    os.replace(partial, path)


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Write lines, given without their ends."""
    with written_whole(path) as output:
        output.writelines(f"{line}\n" for line in lines)


def read_lines(path: str) -> Iterator[str]:
    """A text file's lines, gzipped or not, without their ends or a byte order mark.

    Only a line feed ends a line: texts hold U+2028 and the like.

    Raises:
        ValueError: the file is in UTF-16.
    """
    opened: Any = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as content:
        if content.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise ValueError(f"{path}: is in UTF-16; expected text in UTF-8")
    with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\r\n")


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Run a command; a mistake of its user ends it in one line and with status 2."""
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ImportError as error:
        print(f"error: {error}; pip install '.[recipes]' in the repository has it", file=sys.stderr)
        sys.exit(2)
