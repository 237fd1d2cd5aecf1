"""Print the checksum of a folder of data: of binarised splits, dictionaries, labels and lists of speech.

    python -m recipes.common.checksum FOLDER

Results are kept in FOLDER/.sha256.json, so that a file is read again only after a change.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Dict

from recipes.common.data.archive import digest_of

KEPT = ".sha256.json"
# Features of speech (.zip) are left out, too: hundreds of gigabytes, made from files whose checksums were verified.
NO_DATA = (".zip", ".log", ".json", ".command", ".done", ".claim", ".shards", ".part")


def checksum(folder: Path) -> str:
    """Return the sha256 of the names and contents of the files in *folder*, without its sub-folders.

    Raises:
        ValueError: there is no such folder, or it has no files.
    """
    kept, new = _kept(folder), {}
    for path in sorted(folder.glob("*.*")):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in NO_DATA:
            state = path.stat()
            key = f"{path.name} {state.st_size} {state.st_mtime_ns}"
            new[key] = kept.get(key) or digest_of(str(path), "sha256")
    if not new:
        raise ValueError(f"{folder}: no data in this folder")
    if new != kept:
        partial = folder / f"{KEPT}.{os.getpid()}"  # several trainings may start at the same time
        partial.write_text(json.dumps(new, indent=1), encoding="utf-8")
        partial.replace(folder / KEPT)
    names = "".join(f"{key.split()[0]} {value}\n" for key, value in new.items())
    return hashlib.sha256(names.encode()).hexdigest()


def _kept(folder: Path) -> Dict[str, str]:
    try:
        return dict(json.loads((folder / KEPT).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def main() -> None:
    """Print the checksum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    print(checksum(parser.parse_args().folder))


if __name__ == "__main__":
    main()
