"""Process the lines of a large file in several processes; the result does not depend on their number."""

import itertools
import multiprocessing
from typing import Any, Callable, Iterable, Iterator, List

BLOCK = 20_000  # lines in memory at a time


def blocks(items: Iterable[Any], size: int = BLOCK) -> Iterator[List[Any]]:
    """Yield the items in lists of *size* items, so that only one list is in memory."""
    iterator = iter(items)
    return iter(lambda: list(itertools.islice(iterator, size)), [])


class Workers:
    """A pool of processes; a pool of one is this process itself.

    Raises:
        ValueError: the number is below 1.
    """

    def __init__(self, number: int) -> None:
        if number < 1:
            raise ValueError(f"--workers {number}: expected at least 1")
        self._pool = multiprocessing.Pool(number) if number > 1 else None

    def map(self, function: Callable[[Any], Any], items: List[Any], share: int = 500) -> List[Any]:
        """Return the results in the order of the items; each process is given *share* items at a time."""
        return list(map(function, items)) if self._pool is None else self._pool.map(function, items, chunksize=share)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.terminate()
