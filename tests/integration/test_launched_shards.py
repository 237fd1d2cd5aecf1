"""``distill``, ``oracle`` and ``sweep`` started by torchrun or Slurm, emulated by environment variables."""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.corpus.distill import Distiller
from fairseq_flexdepth.files.depth_labels import load_labels
from tests.integration import forked

DECODING = ("--cpu", "--beam", "2", "--max-len-b", "5", "--batch-size", "16", "--sampling", "--gen-subset", "valid")
TORCHRUN = ("RANK", "WORLD_SIZE")
SLURM = ("SLURM_PROCID", "SLURM_NTASKS")
ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")


def contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def together(folder: Path, names: Tuple[str, str], *arguments: object, processes: int = 2) -> List[str]:
    """Run a sub-command in several processes at the same time; return the output of each."""
    outputs = [folder / f"{number}.log" for number in range(processes)]
    running = [
        forked.start(
            forked.OURS, [str(argument) for argument in arguments], output,
            {"OMP_NUM_THREADS": "1", names[0]: str(number), names[1]: str(processes)},
        )
        for number, output in enumerate(outputs)
    ]  # fmt: skip
    for process, output in zip(running, outputs):
        process.join(300)
        assert process.exitcode == 0, output.read_text()
    return [output.read_text() for output in outputs]


def alone(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.mark.parametrize("names", [TORCHRUN, SLURM])
def test_distill_in_two_processes(names: Tuple[str, str], data: Path, teacher: Path, tmp_path: Path) -> None:
    given = ("distill", data, "--path", teacher, *DECODING, "--select", "all", "--save-text", "--dest")
    alone(*given, tmp_path / "alone")
    texts = together(tmp_path, names, *given, tmp_path / "together")
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert sorted("the process that finishes last" in text or "another process" in text for text in texts) == [0, 1]
    assert sum(" pairs; kept " in text for text in texts) == 1
    assert not (tmp_path / "together.work").exists()


def test_oracle_in_two_processes(data: Path, teacher: Path, tmp_path: Path) -> None:
    given = ("oracle", data, "--path", teacher, *DECODING, "--json", "--output")
    alone(*given, tmp_path / "alone")
    texts = together(tmp_path, TORCHRUN, *given, tmp_path / "together")
    expected, found = contents(tmp_path / "alone"), contents(tmp_path / "together")
    assert expected.keys() == found.keys()
    measured = {"valid.labels.npz", "valid.oracle.json"}  # hold seconds
    assert {name for name in found if found[name] != expected[name]} <= measured
    labels = [load_labels(str(tmp_path / folder), "valid", "--output") for folder in ("alone", "together")]
    assert labels[0].pairs == labels[1].pairs
    assert (labels[0].scores == labels[1].scores).all()
    reports = [_without_seconds(json.loads(side["valid.oracle.json"])) for side in (expected, found)]
    assert reports[0]["split"] == reports[1]["split"]
    assert reports[0]["deepest"] == reports[1]["deepest"]
    assert sum('"labelled": ' in text for text in texts) == 1


def _without_seconds(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_seconds(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_seconds(part) for name, part in value.items() if "seconds" not in name}
    return value


def test_only_the_first_process_sweeps(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ("sweep", data, "--path", teacher, *DECODING, "--depths", "1-1", "--output")
    alone(*given, tmp_path / "alone")
    for number in (1, 0):
        _launch(monkeypatch, SLURM, number, 2)
        capsys.readouterr()
        alone(*given, tmp_path / "together")
        if number == 1:
            assert capsys.readouterr().err == "process 1 of 2: nothing to do, process 0 sweeps\n"
            assert not (tmp_path / "together").exists()
    for name in ("e1d1.txt", "source.txt", "reference.txt"):
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    rows = [json.loads((tmp_path / folder / "sweep.json").read_text()) for folder in ("alone", "together")]
    timed = ("seconds", "per_second", "relative")
    kept = [[{key: row[key] for key in row if not any(t in key for t in timed)} for row in side] for side in rows]
    assert kept[0] == kept[1]


def _launch(monkeypatch: pytest.MonkeyPatch, names: Tuple[str, str], number: int, processes: int) -> None:
    monkeypatch.setenv(names[0], str(number))
    monkeypatch.setenv(names[1], str(processes))


def test_a_killed_process_resumes_and_the_last_one_merges(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ("distill", data, "--path", teacher, *DECODING, "--batch-size", 4, "--dest")
    alone(*given, tmp_path / "alone")
    result, work = tmp_path / "together", tmp_path / "together.work"
    decode, decoded = Distiller.distill, []

    def interrupted(distiller: Distiller, number: int, batch: Any) -> Any:
        decoded.append(number)
        if len(decoded) == 2:
            raise KeyboardInterrupt("now")
        return decode(distiller, number, batch)

    _launch(monkeypatch, ARRAY, 1, 3)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="now"):
        patch.setattr(Distiller, "distill", interrupted)
        main([str(argument) for argument in (*given, result)])
    _launch(monkeypatch, ARRAY, 0, 3)
    capsys.readouterr()
    alone(*given, result)
    line = capsys.readouterr().out
    begun, missing = work / "shard-1-of-3.jsonl", work / "shard-2-of-3.jsonl"
    assert line == (
        f"{work / 'shard-0-of-3.jsonl'}: finished; the process that finishes last joins the 3 shards; "
        f"not finished: {missing}: not begun, {begun} (1 of 2 batches)\n"
    )
    _launch(monkeypatch, ARRAY, 2, 3)
    alone(*given, result)
    assert not result.exists()
    # The same command again: what is finished is not decoded again, and whoever finds all shards finished merges.
    for number in (0, 1):
        _launch(monkeypatch, ARRAY, number, 3)
        assert not result.exists()
        alone(*given, result)
    assert contents(result) == contents(tmp_path / "alone")
    assert not work.exists()


def test_a_merge_while_another_process_starts_is_its_result(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ("distill", data, "--path", teacher, *DECODING, "--dest", tmp_path / "together")
    alone(*given, "--num-shards", 2, "--shard-id", 0)
    alone(*given, "--num-shards", 2, "--shard-id", 1)
    build = Distiller.__init__

    def merged_meanwhile(self: Distiller, *arguments: Any) -> None:
        monkeypatch.setattr(Distiller, "__init__", build)
        build(self, *arguments)
        alone(*given, "--num-shards", 2, "--merge")

    monkeypatch.setattr(Distiller, "__init__", merged_meanwhile)
    _launch(monkeypatch, TORCHRUN, 1, 2)
    capsys.readouterr()
    alone(*given)
    assert "finished; another process has joined the 2 shards, see its output\n" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"together"}


def test_options_go_before_the_environment_and_mistakes_are_one_line(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ("distill", data, "--path", teacher, *DECODING, "--dest", tmp_path / "new")
    monkeypatch.setenv("RANK", "0")
    for command in ("distill", "oracle", "sweep"):
        output = "--dest" if command == "distill" else "--output"
        assert main([command, *map(str, given[1:-2]), output, str(tmp_path / "new")]) == 2
        assert capsys.readouterr().err == (
            f"fairseq-flexdepth {command}: error: WORLD_SIZE: not set, but RANK is; set both, as torchrun does, or "
            "give --num-shards\n"
        )
    monkeypatch.setenv("WORLD_SIZE", "two")
    assert main([str(word) for word in given]) == 2
    assert "error: WORLD_SIZE=two: expected a number, 0 or more" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    alone(*given, "--num-shards", 1)
    monkeypatch.setenv("WORLD_SIZE", "1")
    alone(*given[:-1], tmp_path / "plain")
    assert contents(tmp_path / "plain") == contents(tmp_path / "new")
