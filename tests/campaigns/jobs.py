"""Processes that are killed together with their children."""

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
TICK = 0.0005  # seconds between two checks of a process


def kill_group(process: Any) -> None:
    """``kill -9`` a process and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it does not lead its group yet
        process.kill()


_started: List[Any] = []


def end_with_campaign(process: Any) -> None:
    """Kill a process group if the campaign is interrupted: it would still run when the campaign is resumed."""
    if not _started:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        atexit.register(_kill_all)
    _started.append(process)


def _kill_all() -> None:
    for process in _started:
        if process.poll() is None if isinstance(process, subprocess.Popen) else process.is_alive():
            kill_group(process)


class Job:
    """A command line that runs in its own process group.

    Args:
        words: the command and its arguments.
        log: the file for its output.
        environment: variables to set, in addition to ``ENVIRONMENT``.
    """

    def __init__(self, words: Sequence[Any], log: Path, **environment: str) -> None:
        command, *arguments = map(str, words)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")  # remove the output of the previous run
        self.log = log
        self.begun = time.monotonic()
        self._process = forked.start(command, arguments, log, {**ENVIRONMENT, **environment}, alone=True)
        end_with_campaign(self._process)

    @property
    def pid(self) -> int:
        """The number of its process, which leads the group."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.begun

    def printed(self) -> str:
        """Its output so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        """Whether it is still running."""
        return self._process.is_alive()

    def wait_for_line(self, part: str, times: int) -> bool:
        """Wait until its output contains *part* so many times; false if it ended before."""
        size = -1
        while self.running():
            if self.log.stat().st_size != size:
                size = self.log.stat().st_size
                if self.printed().count(part) >= times:
                    return True
            time.sleep(TICK)
        return False

    def wait(self, seconds: float = 600) -> bool:
        """Wait for its end, at most so long; return whether it has ended."""
        self._process.join(max(seconds, 0))
        return not self.running()

    def kill(self) -> None:
        """Kill its group, and wait until it is gone."""
        kill_group(self._process)
        self._process.join()

    def status(self) -> int:
        """Its exit status: 0 is success, a negative number is the signal that ended it."""
        self._process.join()
        return int(self._process.exitcode)


def run(words: Sequence[Any], log: Path) -> Job:
    """Run a command to its end; it must succeed."""
    job = Job(words, log)
    assert job.status() == 0, f"{log}: {last_line(job)}"
    return job


def last_line(job: Job) -> str:
    """The last line of a job's output."""
    lines = [line for line in job.printed().splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "nothing printed"
