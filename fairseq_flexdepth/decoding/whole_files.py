"""Files that nobody sees half-written."""

import contextlib
import os
from typing import Iterator


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
