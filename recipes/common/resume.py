"""Makes a training folder ready to go on after a kill.

    python -m recipes.common.resume SAVE_DIR

fairseq writes a checkpoint whole, but then copies it to checkpoint_last.pt, and a kill can leave half a copy. That is
replaced by the latest whole checkpoint, or removed where there is none.
"""

import argparse
import os
import shutil
import zipfile
from pathlib import Path


def repair(folder: Path) -> str:
    """What was done about the folder's checkpoint_last.pt."""
    last = folder / "checkpoint_last.pt"
    if zipfile.is_zipfile(last):  # the list of a zip file's contents is at its end
        return "whole"
    others = sorted(folder.glob("checkpoint*.pt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for other in others:
        if zipfile.is_zipfile(other):
            partial = folder / "last.part"
            shutil.copyfile(other, partial)
            os.replace(partial, last)
            return f"cut off; replaced by {other.name}"
    last.unlink()
    return "cut off, and the only one; removed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="SAVE_DIR")
    args = parser.parse_args()
    print(f"{args.folder / 'checkpoint_last.pt'}: {repair(args.folder)}")


if __name__ == "__main__":
    main()
