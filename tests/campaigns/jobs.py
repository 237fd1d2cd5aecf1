"""Processes that are killed with all that they started."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, List, Sequence

from tests.integration import forked

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
TICK = 0.0005  # seconds between two looks at a process


def kill_group(process: Any) -> None:
    """``kill -9`` of a process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not become a group's leader yet
        process.kill()


_started: List[Any] = []


def end_with_campaign(process: Any) -> None:
    """Kill a process's group when the campaign is interrupted: it would work on beside the campaign that goes on."""
    if not _started:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        atexit.register(_kill_all)
    _started.append(process)


def _kill_all() -> None:
    for process in _started:
        if process.poll() is None if isinstance(process, subprocess.Popen) else process.is_alive():
            kill_group(process)


class Job:
    """A command line, in a process group of its own.

    Args:
        words: the command and its arguments.
        log: what gets all that it prints.
        environment: set for it beside ``ENVIRONMENT``.
    """

    def __init__(self, words: Sequence[Any], log: Path, **environment: str) -> None:
        command, *arguments = map(str, words)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")  # the last run's is none of this one's
        self.log = log
        self.begun = time.monotonic()
        self._process = forked.start(command, arguments, log, {**ENVIRONMENT, **environment}, alone=True)
        end_with_campaign(self._process)

    @property
    def pid(self) -> int:
        """Its process, which leads the group."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.begun

    def printed(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        """Whether it runs still."""
        return self._process.is_alive()

    def wait_for_line(self, part: str, times: int) -> bool:
        """Wait until it has printed *part* so many times; false if it ended before."""
        size = -1
        while self.running():
            if self.log.stat().st_size != size:
                size = self.log.stat().st_size
                if self.printed().count(part) >= times:
                    return True
            time.sleep(TICK)
        return False

    def wait(self, seconds: float = 600) -> bool:
        """Wait for its end, at most so long; whether it has ended."""
        self._process.join(max(seconds, 0))
        return not self.running()

    def kill(self) -> None:
        """Kill its group, and wait until it is gone."""
        kill_group(self._process)
        self._process.join()

    def status(self) -> int:
        """How it ended: 0 is well, a negative number the signal that ended it."""
        self._process.join()
        return int(self._process.exitcode)


def run(words: Sequence[Any], log: Path) -> Job:
    """Run a command, which must succeed."""
    job = Job(words, log)
    assert job.status() == 0, f"{log}: {last_line(job)}"
    return job


def last_line(job: Job) -> str:
    """The last thing that a job said."""
    lines = [line for line in job.printed().splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "nothing printed"
