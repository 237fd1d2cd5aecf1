"""Destinations that cannot be written: a full disk, a read-only folder, a path below a file; earlier outputs stay."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from fairseq_flexdepth.cli.main import main
from tests.integration import cli
from tests.integration.refusals import DECODING, contents, ours

resource = pytest.importorskip("resource")


def commands(data: Path, checkpoint: Path, place: Path) -> List[Tuple[Any, ...]]:
    """Every sub-command that writes, with *place* as its destination."""
    decode = (data, "--path", checkpoint, *DECODING)
    return [
        ("prune", "--path", checkpoint, "--fraction", 0.5, "--output", place),
        ("average", "--inputs", checkpoint, checkpoint, "--output", place),
        ("export", "--path", checkpoint, "--data", data, "--output", place),
        ("sweep", *decode, "--depths", "1-1", "--output", place),
        ("oracle", *decode, "--gen-subset", "valid", "--output", place),
        ("distill", *decode, "--gen-subset", "valid", "--dest", place),
    ]


NAMES = ["prune", "average", "export", "sweep", "oracle", "distill"]
FILES = NAMES[:3]


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
@pytest.mark.parametrize("below", ["file", "file/deeper/still"])
def test_below_a_file(number: int, below: str, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    place = tmp_path / below / "new"
    command = commands(data, checkpoint, place)[number]
    option = "--dest" if NAMES[number] == "distill" else "--output"
    assert ours(*command) == f"{option} {place}: {tmp_path / 'file'} is not a folder; expected a folder to write to"
    assert contents(tmp_path) == {"file": b"precious"}


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_a_folder_that_refuses_even_root(number: int, data: Path, checkpoint: Path) -> None:
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc here")
    line = ours(*commands(data, checkpoint, Path("/proc/flexdepth"))[number])
    assert "/proc" in line
    assert any(reason in line for reason in ("No such file or directory", "is not writable")), line


@pytest.mark.parametrize("command", FILES)
def test_a_folder_in_place_of_a_file(command: str, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    line = ours(*commands(data, checkpoint, tmp_path)[FILES.index(command)])
    assert line == f"--output {tmp_path}: is a directory; expected a file"
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a small file system in *folder*; the test is skipped if mounting is not allowed."""
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """Limit every file to *size* bytes: writing fails as on a full disk, and no mount is needed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_read_only_file_system(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    with mounted(tmp_path, "size=64k,ro"):
        for command in commands(data, checkpoint, tmp_path / "new"):
            line = ours(*command)
            assert line.endswith(f"{tmp_path / 'new'}: {tmp_path} is not writable; expected a folder to write to")


# For each command: a file size at which its results do not fit, and the finished work that must be kept.
@pytest.mark.parametrize(
    ("number", "size", "stays"),
    [(0, 4096, ""), (1, 40000, ""), (2, 70000, ""), (3, 8192, "unfinished.jsonl"), (4, 8192, "shard-0"), (5, 200, "")],
    ids=NAMES,
)
def test_no_space_left(number: int, size: int, stays: str, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    """The earlier result and the finished batches are kept, and the same command resumes from them."""
    place = tmp_path / "new"
    command = commands(data, checkpoint, place)[number]
    again = (*command, "--overwrite") if NAMES[number] not in FILES else command
    assert main([*map(str, command)]) == 0
    before = contents(tmp_path)
    with small_files(size):
        line = ours(*again)
    assert "File too large" in line and str(tmp_path) in line, line
    after = contents(tmp_path)
    assert {name: after.pop(name) for name in before} == before
    assert [stays in name for name in after] == ([True] if stays else []), after.keys()
    assert main([*map(str, again)]) == 0
    assert contents(tmp_path).keys() == before.keys()


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_a_full_disk(number: int, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    """Nothing but finished batches is left behind."""
    with mounted(tmp_path, "size=16k"):
        (tmp_path / "earlier").write_text("precious")
        line = ours(*commands(data, checkpoint, tmp_path / "new")[number])
        assert "No space left on device" in line and str(tmp_path) in line, line
        left = {name for name in contents(tmp_path) if not name.endswith(".jsonl")}
        assert left == {"earlier"}
        assert (tmp_path / "earlier").read_text() == "precious"


@pytest.mark.parametrize("checkpoints", [1.5, 3.5, 4.5])
def test_a_disk_that_a_training_fills(checkpoints: float, data: Path, tmp_path: Path) -> None:
    """It stops with the reason, leaves only complete files, and resumes once there is space."""
    options = ("--max-update", 24, "--save-interval-updates", 4, "--save-interval", 100, "--validate-interval", 100)
    cli.train(data, tmp_path / "alone", *options)
    size = (tmp_path / "alone" / "checkpoint_last.pt").stat().st_size
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, f"size={int(checkpoints * size)}"):
        output = cli.train(data, disk, *options, fails=True)
        # torch 1.12 aborts with its own message while it writes
        reason = "^OSError: .*No space left on device|enforce fail.* unexpected pos"
        assert re.search(reason, output, re.MULTILINE), output
        for left in disk.glob("*.pt"):
            assert left.stat().st_size == pytest.approx(size, rel=0.01)
        subprocess.run(["mount", "-o", f"remount,size={20 * size}", str(disk)], check=True)
        cli.train(data, disk, *options)
        assert cli.largest_difference(tmp_path / "alone", disk) == 0
        assert not list(disk.glob("*.tmp"))
