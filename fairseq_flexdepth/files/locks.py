"""A lock between processes, on one machine or on several that share a file system."""

import contextlib
import fcntl
import os
from typing import Iterator, List


@contextlib.contextmanager
def locked_folder(folder: str) -> Iterator[None]:
    """Hold the lock of *folder* in a ``with`` block; wait while another process holds it.

    The lock is on the file ``lock`` in the folder. Folders that do not exist are created. At the end the file is
    removed, and so are created folders that are empty. The kernel releases the lock when its process ends, in whatever
    way.
    """
    path = os.path.join(folder, "lock")
    created = missing_folders(path)
    while True:
        with contextlib.suppress(FileNotFoundError):  # another process has just removed the folder
            _make_folder(folder)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The process that held the lock has removed its file: a lock on that file excludes nobody.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    break
            os.close(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        os.close(descriptor)
        for name in {folder: None, **dict.fromkeys(created)}:
            with contextlib.suppress(OSError):  # it contains other files
                os.rmdir(name)


def _make_folder(folder: str) -> None:
    """Make *folder*, and the folders that contain it.

    Raises:
        FileNotFoundError: another process has removed one of them again.
        OSError: they cannot be made, for example because there is a file of this name.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:  # also where a folder was there for mkdir, but no longer for the check that follows
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise
        raise FileNotFoundError(folder) from None


def missing_folders(path: str) -> List[str]:
    """The folders of *path* that do not exist, the innermost first."""
    missing, folder = [], os.path.dirname(os.path.abspath(path))
    while not os.path.exists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing
