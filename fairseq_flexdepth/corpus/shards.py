"""The results of finished batches on disk: an interrupted decoding resumes at the first batch that is missing.

Every line is a CRC32 and a JSON value. The first line holds the fingerprint, each further line the results of one
batch, in the order of the shard's batches.
"""

import contextlib
import fcntl
import json
import logging
import os
import zlib
from types import TracebackType
from typing import Any, Dict, Iterator, List, Optional, Sequence, Type

from fairseq_flexdepth.files.locks import missing_folders

logger = logging.getLogger(__name__)

# Options and checksums that determine the results, by name.
Fingerprint = Dict[str, Any]


class ShardFile:
    """A file with the results of *batches*, locked against other processes until it is closed.

    An unfinished last line, which a killed process leaves behind, is removed. Nothing else that another process wrote
    is removed. If an error occurs before the first result, the file is removed, and the folders that were created.

    Args:
        path: the file; it is created if it does not exist, with its folders.
        batches: the numbers of this shard's batches, in ascending order.
        fingerprint: the options and checksums that determine the results, as JSON values.
        overwrite: start again if a line is damaged or the results have another fingerprint. A file without results is
            always started again.

    Raises:
        ValueError: another process writes this file, a line is damaged, or the results have another fingerprint.
    """

    def __init__(self, path: str, batches: Sequence[int], fingerprint: Fingerprint, overwrite: bool = False) -> None:
        self.path = path
        self.batches = batches
        self.done = 0  # the number of finished batches
        self._created = [] if os.path.exists(path) else [path, *missing_folders(path)]
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self._file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")  # noqa: SIM115
        try:
            self._lock()
            self._cut_unfinished_line()
            self._resume(fingerprint, overwrite)
        except BaseException:
            self._remove_created()
            self.close()
            raise

    def __enter__(self) -> "ShardFile":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is not None and self.done == 0:
            self._remove_created()
        self.close()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._file.close()

    @property
    def remaining(self) -> Sequence[int]:
        """The numbers of the batches that are not finished."""
        return self.batches[self.done :]

    def append(self, results: List[Any]) -> None:
        """Write the results of the first remaining batch to the file."""
        self._append([self.remaining[0], results])
        self.done += 1

    def results(self) -> Iterator[List[Any]]:
        """The results of every finished batch, in order."""
        for _, results in self._batch_lines():
            yield results

    def _remove_created(self) -> None:
        """Remove the file and folders created here.

        Otherwise the same command with other options would be refused because of the fingerprint in the file, and other
        commands because the folder exists.
        """
        for number, path in enumerate(self._created):
            with contextlib.suppress(OSError):  # a folder that now contains other files
                (os.rmdir if number else os.remove)(path)
        self._created = []

    def _lock(self) -> None:
        try:
            # The kernel releases the lock when the process ends, in whatever way.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._created = []  # the other process uses it
            raise ValueError(f"{self.path}: another process works on this shard; wait for it or stop it") from None

    def _cut_unfinished_line(self) -> None:
        """Truncate the file after its last line feed, which is looked for from the end in blocks."""
        position = self._file.seek(0, os.SEEK_END)
        block = b""
        while position > 0 and b"\n" not in block:
            size = min(position, 1 << 16)
            position -= size
            self._file.seek(position)
            block = self._file.read(size)
        self._file.truncate(position + block.rfind(b"\n") + 1)

    def _resume(self, fingerprint: Fingerprint, overwrite: bool) -> None:
        self._file.seek(0)
        header = self._file.readline()
        if not self._file.read(1):  # no results
            self._begin(fingerprint)
            return
        try:
            self._check_header(self._parse(header, 1), fingerprint)
            self.done = sum(1 for _ in self._batch_lines())
        except ValueError as error:
            if not overwrite:
                raise
            logger.warning("%s: decoding again from the start (--overwrite)", str(error).rpartition(";")[0])
            self._begin(fingerprint)

    def _begin(self, fingerprint: Fingerprint) -> None:
        self._file.truncate(0)
        self._append(fingerprint)

    def _check_header(self, found: Fingerprint, fingerprint: Fingerprint) -> None:
        names = sorted({*found, *fingerprint})
        differing = [name for name in names if found.get(name) != fingerprint.get(name)]
        if differing:
            changes = ", ".join(f"{name} {found.get(name)}, now {fingerprint.get(name)}" for name in differing)
            raise ValueError(
                f"{self.path}: made with {changes}; resume with the same options and data, or start again with "
                "--overwrite"
            )

    def _batch_lines(self) -> Iterator[List[Any]]:
        self._file.seek(0)
        self._file.readline()
        for index, line in enumerate(self._file):
            value = self._parse(line, index + 2)
            if index >= len(self.batches) or value[0] != self.batches[index]:
                raise self._damaged(index + 2)
            yield value

    def _append(self, value: Any) -> None:
        text = json.dumps(value, separators=(",", ":")).encode()
        self._file.seek(0, os.SEEK_END)
        self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
        self._file.flush()

    def _parse(self, line: bytes, number: int) -> Any:
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            raise self._damaged(number)
        return json.loads(text)

    def _damaged(self, number: int) -> ValueError:
        return ValueError(f"{self.path}: line {number} is damaged; --overwrite decodes this shard again")
