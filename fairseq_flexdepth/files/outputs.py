"""Where results go: looked at before the work is done, and written so that nobody sees them half-written."""

import contextlib
import os
import shutil
from typing import Any, Iterator, Sequence


@contextlib.contextmanager
def replaced(path: str) -> Iterator[str]:
    """A temporary name to write *path* under; it takes its place, or is removed if the block fails.

    Raises:
        OSError: it cannot be written, on a full disk for instance; the error names *path*.
    """
    partial = f"{path}.part"
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None:  # NumPy's and Pillow's
            raise OSError(f"{path}: {error}") from error
        raise OSError(error.errno, error.strerror, path) from error  # a full disk's error names no file
    finally:
        with contextlib.suppress(OSError):
            os.remove(partial)


def write_whole(path: str, text: str) -> None:
    """Write a file under a temporary name and rename it, so that it is never seen half-written."""
    with replaced(path) as partial, open(partial, "w", encoding="utf-8") as output:
        output.write(text)


def save_figure(figure: Any, path: str) -> None:
    """Write matplotlib's *figure* to the PNG file *path*, and forget it."""
    from matplotlib import pyplot

    try:
        with replaced(path) as partial:
            figure.savefig(partial, dpi=150, format="png")
    finally:
        pyplot.close(figure)


@contextlib.contextmanager
def staging(folder: str) -> Iterator[str]:
    """A new *folder* to write files to before they take their place; it is removed in the end."""
    shutil.rmtree(folder, ignore_errors=True)  # what a process that was killed left behind
    os.mkdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: str, folder: str, last: str, stale: Sequence[str] = ()) -> None:
    """Move all files of the folder *staged* to the same places in *folder*.

    What says that *folder* is complete is removed first and moved last.

    Args:
        staged: where they were written.
        folder: where they go.
        last: the name of the file that says so.
        stale: files that they replace besides those of the same names.
    """
    for path in (os.path.join(folder, last), *stale):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
    names = [os.path.relpath(os.path.join(at, name), staged) for at, _, files in os.walk(staged) for name in files]
    for name in sorted(names, key=last.__eq__):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        os.replace(os.path.join(staged, name), os.path.join(folder, name))


def check_folder(option: str, path: str) -> None:
    """Refuse a folder that cannot be made or written to, before the work is done.

    Raises:
        ValueError: the path is empty, or it or what it is in is no folder or is read-only.
    """
    _check_place(option, path, os.path.abspath(path))


def check_file(option: str, path: str) -> None:
    """As :func:`check_folder`, for a file, or for a folder that takes the place of an earlier one as a whole."""
    _check_place(option, path, os.path.dirname(os.path.abspath(path)))


def _check_place(option: str, path: str, folder: str) -> None:
    if not path:
        raise ValueError(f"{option}: expected a name, given an empty one")
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise ValueError(f"{option} {path}: {folder} is no folder; expected one to write to")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{option} {path}: {folder} cannot be written to; expected a folder that can")
