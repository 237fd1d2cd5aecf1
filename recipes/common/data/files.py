"""Reading and writing text, and one-line errors, for all data scripts.

This module imports neither torch nor fairseq, so that the scripts start at once.
"""

import codecs
import contextlib
import gzip
import os
import sys
from pathlib import Path
from typing import IO, Any, Callable, Iterable, Iterator, Sequence


@contextlib.contextmanager
def written_whole(path: str, mode: str = "w") -> Iterator[IO]:
    """Open a file for writing under a temporary name; rename it to *path* when everything is written."""
    partial = f"{path}.part"
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    with open(partial, mode, **text) as output:  # type: ignore[call-overload]
        yield output
    os.replace(partial, path)


def link(target: Path, path: Path) -> None:
    """Make *path* a symbolic link to *target*, in place of a link or file that may be there."""
    partial = path.with_name(f"{path.name}.part")
    if partial.is_symlink():
        partial.unlink()
    partial.symlink_to(target.resolve())
    os.replace(partial, path)


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Write lines, given without line ends."""
    with written_whole(path) as output:
        output.writelines(f"{line}\n" for line in lines)


def read_lines(path: str) -> Iterator[str]:
    """Yield the lines of a text file, gzipped or not, without line ends and byte order mark.

    Only a line feed ends a line, since texts contain U+2028 and the like.

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
    """Run a command with the arguments of this process; a user's mistake prints one line and exits with status 2."""
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ImportError as error:
        print(f"error: {error}; pip install '.[recipes]' in the repository has it", file=sys.stderr)
        sys.exit(2)
