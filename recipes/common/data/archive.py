"""Verify and unpack the archives of data sets.

python -m recipes.common.data.archive check FILE sha256:...|md5:...
python -m recipes.common.data.archive unpack ARCHIVE FOLDER MEMBER...

MEMBER is the name of a file in the archive, or a pattern (*, ?) that matches at least one. If FOLDER contains all of
them already, nothing is unpacked. Nothing is written outside FOLDER: an archive is refused if a MEMBER leads out of it.
"""

import contextlib
import fnmatch
import hashlib
import os
import shutil
import sys
import tarfile
import zipfile
from typing import IO, Iterator, List, Sequence, Set, Tuple

from recipes.common.data import files

Member = Tuple[str, IO[bytes]]


def check(path: str, checksum: str) -> None:
    """Compare a file with its checksum, ``sha256:...`` or ``md5:...``.

    Raises:
        ValueError: they differ, or the checksum is of another kind.
    """
    method, _, wanted = checksum.partition(":")
    if method not in ("sha256", "md5") or not wanted:
        raise ValueError(f"checksum {checksum}: expected sha256:... or md5:...")
    found = digest_of(path, method)
    if found != wanted:
        raise ValueError(
            f"{path}: its {method} is {found}, expected {wanted}; it is damaged or another file: "
            "remove it, and get it again"
        )


def digest_of(path: str, method: str) -> str:
    """Return the digest of a file, by a method that hashlib knows."""
    digest = hashlib.new(method)
    with open(path, "rb") as content:
        for block in iter(lambda: content.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def members(archive: str) -> Iterator[Member]:
    """Yield name and content of the regular files in a tar (of any compression) or zip archive, in its order."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    with packed.open(entry) as content:
                        yield entry.filename, content
        return
    with contextlib.closing(tarfile.open(archive, mode="r|*")) as packed_tar:
        for member in packed_tar:
            if member.isfile():
                extracted = packed_tar.extractfile(member)
                assert extracted is not None
                yield member.name, extracted


def inside(folder: str, name: str) -> str:
    """Return the path of a member below *folder*.

    Raises:
        ValueError: its name leads out of the folder.
    """
    parts = name.replace("\\", "/").split("/")
    below = [part for part in parts if part not in ("", ".")]
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or not below:
        raise ValueError(f"{name}: is not inside the folder that the archive is unpacked to; refused")
    return os.path.join(folder, *below)


def missing(folder: str, patterns: Sequence[str], found: Set[str]) -> List[str]:
    """Return the patterns that match no name in *found* and no file in *folder*."""
    return [
        pattern
        for pattern in patterns
        if not fnmatch.filter(found, pattern) and not os.path.isfile(os.path.join(folder, pattern))
    ]


def unpack(archive: str, folder: str, patterns: Sequence[str]) -> None:
    """Write the members that match any pattern to *folder*, each whole or not at all.

    Raises:
        ValueError: the archive is damaged, lacks a member, or a member leads out of the folder.
    """
    if not missing(folder, patterns, set()):
        return
    found = set()
    try:
        for name, content in members(archive):
            tidy = name[2:] if name.startswith("./") else name
            if not any(fnmatch.fnmatchcase(tidy, pattern) for pattern in patterns):
                continue
            target = inside(folder, tidy)
            found.add(tidy)
            with files.written_whole(target, "wb") as output:
                shutil.copyfileobj(content, output, 1 << 20)
            if not any("*" in pattern or "?" in pattern for pattern in patterns) and found >= set(patterns):
                break  # the rest of a large archive need not be read
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{archive}: cannot be unpacked ({error}); get it again") from error
    absent = missing(folder, patterns, found)
    if absent:
        raise ValueError(f"{archive}: has no {', '.join(absent)}")


def main(arguments: Sequence[str]) -> None:
    """Run ``check`` or ``unpack``."""
    if len(arguments) == 3 and arguments[0] == "check":
        check(arguments[1], arguments[2])
    elif len(arguments) > 3 and arguments[0] == "unpack":
        unpack(arguments[1], arguments[2], arguments[3:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    files.run(main)
