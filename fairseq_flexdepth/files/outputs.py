"""Check output paths before the work starts, and write outputs so that no reader sees an incomplete file."""

import contextlib
import os
import shutil
from typing import Any, Iterator, Sequence


@contextlib.contextmanager
def replaced(path: str) -> Iterator[str]:
    """A temporary name for the new file *path*: renamed to *path* at the end, or removed if the block fails.

    Raises:
        OSError: the file cannot be written, for example on a full disk; the error names *path*.
    """
    partial = f"{path}.part"
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None:  # an error of NumPy or Pillow
            raise OSError(f"{path}: {error}") from error
        raise OSError(error.errno, error.strerror, path) from error  # the error of a full disk names no file
    finally:
        with contextlib.suppress(OSError):
            os.remove(partial)


def write_whole(path: str, text: str) -> None:
    """Write *text* to the file *path* under a temporary name, then rename it."""
    with replaced(path) as partial, open(partial, "w", encoding="utf-8") as output:
        output.write(text)


def save_figure(figure: Any, path: str) -> None:
    """Write matplotlib's *figure* to the PNG file *path*, then close it."""
    from matplotlib import pyplot

    try:
        with replaced(path) as partial:
            figure.savefig(partial, dpi=150, format="png")
    finally:
        pyplot.close(figure)


@contextlib.contextmanager
def staging(folder: str) -> Iterator[str]:
    """A new, empty *folder* for files that are moved to their places when all are written; removed at the end."""
    shutil.rmtree(folder, ignore_errors=True)  # left behind by a killed process
    os.mkdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: str, folder: str, last: str, stale: Sequence[str] = ()) -> None:
    """Move all files of the folder *staged* to the same relative paths in *folder*.

    The file *last* marks *folder* as complete: it is removed first and moved last.

    Args:
        staged: the folder with the new files.
        folder: their destination.
        last: the name of the file that marks the folder as complete.
        stale: the paths of further files to remove.
    """
    for path in (os.path.join(folder, last), *stale):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
    names = [os.path.relpath(os.path.join(at, name), staged) for at, _, files in os.walk(staged) for name in files]
    for name in sorted(names, key=last.__eq__):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        os.replace(os.path.join(staged, name), os.path.join(folder, name))


def check_folder(option: str, path: str) -> None:
    """Check, before the work starts, that a folder can be created or written to.

    Args:
        option: the option that names it, for the error message.
        path: the folder.

    Raises:
        ValueError: the path is empty, or it or its parent is not a folder or is read-only.
    """
    _check_place(option, path, os.path.abspath(path))


def check_file(option: str, path: str) -> None:
    """Check, like :func:`check_folder`, that a file can be written, or a whole folder replaced."""
    _check_place(option, path, os.path.dirname(os.path.abspath(path)))


def _check_place(option: str, path: str, folder: str) -> None:
    if not path:
        raise ValueError(f"{option}: expected a path, given an empty string")
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise ValueError(f"{option} {path}: {folder} is not a folder; expected a folder to write to")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{option} {path}: {folder} is not writable; expected a folder to write to")
