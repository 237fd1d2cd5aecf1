"""The file of finished batches: killed writers, damage, other settings, other processes."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from fairseq_flexdepth.corpus.shards import ShardFile

BATCHES = range(1, 9, 2)
FINGERPRINT = {"beam": 5, "seed": 1}


def fill(path: Path, until: int = 4, fingerprint: Dict[str, Any] = FINGERPRINT) -> None:
    """Finish the first *until* batches, as a process would; the results of batch k are [k, text]."""
    with ShardFile(str(path), BATCHES, fingerprint) as shard:
        for number in list(shard.remaining)[: until - shard.done]:
            shard.append([number, "x" * number * 40000])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shard.jsonl"


def test_results_come_back_in_order(path: Path) -> None:
    fill(path, 2)
    with ShardFile(str(path), BATCHES, FINGERPRINT) as shard:
        assert list(shard.remaining) == [5, 7]
        assert [results[0] for results in shard.results()] == [1, 3]
    fill(path)
    with ShardFile(str(path), BATCHES, FINGERPRINT) as shard:
        assert not shard.remaining
        assert [results[0] for results in shard.results()] == [1, 3, 5, 7]


def test_a_writer_killed_anywhere_leaves_what_can_be_finished(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    line_ends = [position + 1 for position, byte in enumerate(whole) if byte == ord("\n")]
    anywhere = range(0, len(whole), 65536 // 3)
    for cut in {*anywhere, *line_ends, *(end - 1 for end in line_ends), *(end - 65536 for end in line_ends[2:]), 5}:
        path.write_bytes(whole[:cut])
        fill(path)
        assert path.read_bytes() == whole, cut


def test_finished_batches_survive_a_kill(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with ShardFile(str(path), BATCHES, FINGERPRINT) as shard:
        assert list(shard.remaining) == [7]


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_damaged_line_is_named_and_nothing_is_removed(path: Path, line: int) -> None:
    fill(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b"5", b"6").replace(b"x", b"y")
    path.write_bytes(b"".join(lines))
    damaged = path.read_bytes()
    with pytest.raises(ValueError, match=f"shard.jsonl: line {line} is damaged; --overwrite decodes this shard again"):
        fill(path)
    assert path.read_bytes() == damaged


def test_a_missing_or_repeated_line_is_damage(path: Path) -> None:
    fill(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in ([*lines[:2], *lines[3:]], [*lines[:2], *lines[1:]], [*lines, lines[1]]):
        path.write_bytes(b"".join(changed))
        with pytest.raises(ValueError, match="is damaged"):
            fill(path)


def test_other_settings_are_named(path: Path) -> None:
    fill(path, 2)
    before = path.read_bytes()
    message = "shard.jsonl: made with beam 5, now 4; resume with the same options and data, or start again with"
    with pytest.raises(ValueError, match=message):
        fill(path, fingerprint={**FINGERPRINT, "beam": 4})
    with pytest.raises(ValueError, match="made with lenpen None, now 1, seed 1, now None;"):
        fill(path, fingerprint={"beam": 5, "lenpen": 1})
    assert path.read_bytes() == before


def test_other_settings_start_again_without_results_or_with_overwrite(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = {**FINGERPRINT, "beam": 4}
    fill(path, 0)
    fill(path, 2, other)
    with ShardFile(str(path), BATCHES, FINGERPRINT, overwrite=True) as shard:
        assert shard.done == 0
    assert caplog.messages == [f"{path}: made with beam 4, now 5: decoding again from the start (--overwrite)"]
    fill(path)
    whole = path.read_bytes()
    with ShardFile(str(path), BATCHES, FINGERPRINT, overwrite=True) as shard:
        assert shard.done == 4
    assert path.read_bytes() == whole
    path.write_bytes(whole.replace(b"x", b"y"))
    with ShardFile(str(path), BATCHES, FINGERPRINT, overwrite=True) as shard:
        assert not list(shard.results())


def test_one_process_at_a_time(path: Path) -> None:
    message = "shard.jsonl: another process works on this shard"
    with ShardFile(str(path), BATCHES, FINGERPRINT), pytest.raises(ValueError, match=message):
        fill(path)
    fill(path)


def test_a_line_is_a_checksum_and_json(path: Path) -> None:
    fill(path, 1)
    header, line = path.read_text().splitlines()
    assert json.loads(header[9:]) == FINGERPRINT
    assert json.loads(line[9:])[:1] == [1]


def test_an_error_before_the_first_result_leaves_nothing(tmp_path: Path) -> None:
    """Else the header would refuse the same command with other options."""
    path = tmp_path / "new" / "work" / "shard.jsonl"
    with pytest.raises(ZeroDivisionError, match="^bad option$"), ShardFile(str(path), BATCHES, FINGERPRINT):
        raise ZeroDivisionError("bad option")
    assert not list(tmp_path.iterdir())


def test_an_error_after_a_result_or_beside_other_files_keeps_them(tmp_path: Path) -> None:
    path, other = tmp_path / "new" / "shard.jsonl", tmp_path / "new" / "other"
    with pytest.raises(ZeroDivisionError, match="^bad option$"), ShardFile(str(path), BATCHES, FINGERPRINT):
        other.touch()
        raise ZeroDivisionError("bad option")
    assert list(path.parent.iterdir()) == [other]
    with pytest.raises(ZeroDivisionError, match="^killed$"), ShardFile(str(path), BATCHES, FINGERPRINT) as shard:
        shard.append([1])
        raise ZeroDivisionError("killed")
    with ShardFile(str(path), BATCHES, FINGERPRINT) as shard:
        assert shard.done == 1
