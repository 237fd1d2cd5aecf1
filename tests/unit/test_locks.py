"""The lock of a folder, between processes."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from fairseq_flexdepth.files.locks import locked_folder

_forks = multiprocessing.get_context("fork")


def _count(folder: Path, counter: Path, times: int) -> None:
    for _ in range(times):
        with locked_folder(str(folder)):
            number = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(number + 1))


def test_one_process_at_a_time_also_while_the_folder_comes_and_goes(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    counting = [_forks.Process(target=_count, args=(tmp_path / "a" / "b", counter, 30)) for _ in range(4)]
    for process in counting:
        process.start()
    for process in counting:
        process.join(60)
        assert process.exitcode == 0
    assert counter.read_text() == "120"
    assert list(tmp_path.iterdir()) in ([counter], [counter, tmp_path / "a"], [tmp_path / "a", counter])
    assert not (tmp_path / "a" / "b").exists()


def _hold(folder: Path, held: Path) -> None:
    with locked_folder(str(folder)):
        held.touch()
        time.sleep(600)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    holding = _forks.Process(target=_hold, args=(tmp_path / "work", tmp_path / "held"))
    holding.start()
    while not (tmp_path / "held").exists():
        assert holding.is_alive()
        time.sleep(0.01)
    os.kill(holding.pid or 0, signal.SIGKILL)
    with locked_folder(str(tmp_path / "work")):
        assert (tmp_path / "work" / "lock").exists()
    holding.join()
    assert not (tmp_path / "work").exists()


def test_folders_with_files_stay_and_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="^now$"), locked_folder(str(tmp_path / "a" / "b")):
        raise ZeroDivisionError("now")
    assert not (tmp_path / "a").exists()
    with locked_folder(str(tmp_path / "a" / "b")):
        (tmp_path / "a" / "b" / "file").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]
