"""The files of a record with text: translations, and the references of a test set."""

import hashlib
import json
import lzma
from pathlib import Path
from typing import List


def write_texts(path: Path, texts: List[List[str]]) -> None:
    """Write texts, each a list of lines; without texts, remove the file of an earlier record."""
    if texts:  # xz contains no date, and finds what the translations of several depths share
        path.write_bytes(lzma.compress(json.dumps(texts, ensure_ascii=False).encode("utf-8"), preset=9))
    elif path.exists():
        path.unlink()


def read_texts(path: Path) -> List[List[str]]:
    """Return the texts of a record; none if it has no such file.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return []
    try:
        return json.loads(lzma.decompress(path.read_bytes()).decode("utf-8"))
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: not the texts of a record: {error}") from error


def references_file(folder: Path, name: str) -> Path:
    """Return the file of the references called *name*, among the results of a scale."""
    return folder / "references" / f"{name}.xz"


def keep_references(folder: Path, references: List[str]) -> str:
    """Write references unless they are there; return their name, a checksum."""
    name = hashlib.sha256("\n".join(references).encode("utf-8")).hexdigest()[:12]
    path = references_file(folder, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_texts(path, [references])
    return name
