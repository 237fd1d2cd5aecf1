"""``fairseq-flexdepth sweep`` on tiny models, compared with fairseq-generate at every depth pair."""

import csv
import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
import sacrebleu

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.corpus.sweep import Sweep
from tests.integration import cli
from tests.integration.interruption import interrupt_third_batch

DECODING = ("--cpu", "--beam", 3, "--max-len-b", 10, "--num-workers", 0)
PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]


def sweep(*arguments: object) -> None:
    assert main(["sweep", *map(str, (*DECODING, *arguments))]) == 0


def read_rows(folder: Path) -> List[Dict[str, Any]]:
    return json.loads((folder / "sweep.json").read_text())


def pairs(rows: List[Dict[str, Any]]) -> List[Any]:
    return [(row["enc_layers"], row["dec_layers"]) for row in rows]


@pytest.fixture(scope="module")
def source_side(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data without its target side, but with both dictionaries."""
    folder = tmp_path_factory.mktemp("source")
    for path in data.iterdir():
        if path.name.startswith("dict.") or ".src-tgt.src." in path.name:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_every_pair_is_decoded_as_generate_does(data: Path, teacher: Path, tmp_path: Path) -> None:
    output = cli.run(
        "python", "-m", "fairseq_flexdepth.cli.main", "sweep", data, *DECODING, "--path", teacher, "--output", tmp_path,
    )  # fmt: skip
    rows = read_rows(tmp_path)
    assert pairs(rows) == PAIRS
    assert output.count("\n| ") >= len(rows)
    references = (tmp_path / "reference.txt").read_text().splitlines()
    for row in rows:
        n, m = row["enc_layers"], row["dec_layers"]
        generated = cli.hypotheses(cli.generate(data, teacher, "--enc-layers", n, "--dec-layers", m))
        hypotheses = (tmp_path / f"e{n}d{m}.txt").read_text().splitlines()
        assert hypotheses == [line.split("\t")[2] for line in generated]
        assert row["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score, abs=0.01)
        assert row["bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score, abs=0.01)
        assert (row["sentences"], row["beam"], row["repeats"]) == (20, 3, 1)
        assert row["sentences_per_second"] == pytest.approx(20 / row["seconds"], rel=0.1)
    words = len((tmp_path / "source.txt").read_text().split())
    assert rows[0]["words_per_second"] == pytest.approx(words / rows[0]["seconds"], rel=0.1)

    names = {"sweep.json", "sweep.csv", "report.json", "index.html", "heatmap.png", "pareto.png"}
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".txt"} == names
    assert (tmp_path / "index.html").read_text().count(references[0]) >= 1
    for name in ("heatmap.png", "pareto.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    facts = json.loads((tmp_path / "report.json").read_text())
    assert (facts["sentences"], facts["source_words"], facts["skipped"]) == (20, words, 0)
    assert facts["bleu_signature"] == rows[0]["bleu_signature"]
    with open(tmp_path / "sweep.csv", newline="") as file:
        assert [float(row["bleu"]) for row in csv.DictReader(file)] == [row["bleu"] for row in rows]


def test_models_side_by_side_against_raw_references(
    source_side: Path, data: Path, teacher: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    references = tmp_path / "raw.txt"
    raw = [f"w{index % 5} w1" for index in range(20)]
    references.write_bytes("".join(f"{line}\r\n" for line in raw).encode("utf-8-sig"))  # as Windows writes text
    lstm = tmp_path / "lstm" / "checkpoint_last.pt"
    cli.train_lstm(data, lstm.parent, "--encoder-layers", 2, "--decoder-layers", 2, "--max-update", 1)
    given = (source_side, "--source-lang", "src", "--target-lang", "tgt", "--references", references, "--json")
    paths = [str(path) for path in (teacher, checkpoint, lstm)]
    models = [word for path in paths for word in ("--path", path)]
    folder = tmp_path / "report"
    choices = ("--depths", "3-2,1-1,2-2", "--repeat", 2, "--budget", 1, "--max-loss", 100)
    sweep(*given, *models, "--output", folder, *choices)
    rows = read_rows(folder)
    assert json.loads(capsys.readouterr().out) == rows
    three = [(1, 1), (2, 2), (3, 2)]
    assert [(row["path"], pair) for row, pair in zip(rows, pairs(rows))] == [
        *((path, pair) for path in paths[:2] for pair in three),
        (paths[2], (2, 2)),
    ]
    for row in rows:
        hypotheses = (folder / row["translations"]).read_text().splitlines()
        assert row["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [raw]).score, abs=0.01)
        assert row["repeats"] == 2
        assert row["seconds_min"] <= row["seconds"] <= row["seconds_max"]
    for choice in ("best_within_budget", "fastest_not_worse", "fastest_within_loss"):
        assert sum(row[choice] for row in rows) == 1
    assert [row["bleu_p_value"] for row in rows].count(None) == 1  # the deepest pair of the first model
    expected = cli.hypotheses(cli.generate(data, lstm))
    found = (folder / "system-3" / "e2d2.txt").read_text().splitlines()
    assert found == [line.split("\t")[2] for line in expected]
    assert (folder / "heatmap-3.png").exists()
    facts = json.loads((folder / "report.json").read_text())
    assert [model["has_depths"] for model in facts["models"]] == [True, True, False]
    assert facts["budget"]["best"]["bleu"] == max(row["bleu"] for row in rows if row["relative_seconds"] <= 1)


def test_rows_with_drafts(data: Path, teacher: Path, tmp_path: Path) -> None:
    given = ("--beam", 1, "--enc-layers", 2, "--draft-dec-layers", 1, "--draft-tokens", 2)
    sweep(data, "--path", teacher, "--output", tmp_path, *given)
    rows = read_rows(tmp_path)
    assert pairs(rows) == [(2, 1), (2, 2), (2, 2)]
    assert [row["draft_dec_layers"] for row in rows] == [0, 0, 1]
    assert all(row["seconds"] > 0 for row in rows)
    plain, drafted = ((tmp_path / row["translations"]).read_text() for row in rows[1:])
    assert plain == drafted
    command = "--enc-layers 2 --dec-layers 2 --draft-dec-layers 1 --draft-tokens 2\n"
    assert (tmp_path / "index.html").read_text().count(command.strip()) == 1


def test_an_interruption_leaves_no_trace(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = (data, "--path", teacher, "--batch-size", 4, "--sampling", "--enc-layers", 2, "--output")
    sweep(*given, tmp_path / "whole")
    expected = read_rows(tmp_path / "whole")
    assert pairs(expected) == [(2, 1), (2, 2)]

    decoded = interrupt_third_batch(monkeypatch, Sweep, "decode")
    resumed = tmp_path / "resumed"
    with pytest.raises(KeyboardInterrupt, match="now"):
        sweep(*given, resumed)
    assert main(["sweep", *map(str, (*DECODING, *given, resumed)), "--repeat", "2"]) == 2
    assert "made with repeats 1, now 2; resume with the same options and data" in capsys.readouterr().err
    unfinished = (resumed / "unfinished.jsonl").read_bytes()
    sweep(*given, resumed)
    assert decoded == [0, 1, 2, 2, 3, 4]
    timed = ("second", "pareto", "fastest")  # in every key that depends on times
    for row, other in zip(expected, read_rows(resumed)):
        assert row.keys() == other.keys()
        assert all(row[key] == other[key] for key in row if not any(part in key for part in timed))
        name = row["translations"]
        assert (tmp_path / "whole" / name).read_bytes() == (resumed / name).read_bytes()

    assert main(["sweep", *map(str, (*DECODING, *given, resumed))]) == 2
    assert f"--output {resumed}: has a report already; --overwrite replaces it" in capsys.readouterr().err
    (resumed / "unfinished.jsonl").write_bytes(unfinished)
    sweep(*given, resumed, "--dec-layers", 1, "--overwrite")
    assert pairs(read_rows(resumed)) == [(2, 1)]
    assert {path.name for path in resumed.glob("*.txt")} == {"source.txt", "reference.txt", "e2d1.txt"}
    assert not list(resumed.glob("*.jsonl"))


def test_mistakes_are_one_line_and_leave_nothing_behind(
    source_side: Path, data: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("w1\n")
    given, languages = (data, "--path", checkpoint), ("--source-lang", "src", "--target-lang", "tgt")
    for arguments, message in (
        ((tmp_path / "nowhere", *given[1:]), f"DATA {tmp_path / 'nowhere'}: no such directory"),
        ((data, "--path", tmp_path / "none.pt"), f"--path {tmp_path / 'none.pt'}: no such file"),
        ((data,), "--path: required"),
        ((*given, "--path", checkpoint), f"--path {checkpoint}: given twice"),
        ((*given, "--gen-subset", "missing"), f"DATA {data}: no split missing of src-tgt"),
        ((*given, "--depths", "1-1,4-2"), f"--depths 4-2: {checkpoint} supports 1-1, 1-2, 2-1, 2-2, 3-1, 3-2"),
        ((*given, "--depths", "1"), "--depths 1: expected encoder and decoder depths such as 1-1,3-2"),
        ((*given, "--depths", "1-1", "--enc-layers", 1), "--depths 1-1: names both depths; leave out --enc-layers"),
        ((*given, "--enc-layers", 4), "--enc-layers 4: this model supports 1,2,3"),
        ((*given, "--repeat", 0), "--repeat 0: expected 1 or more"),
        ((*given, "--budget", 1.5), "--budget 1.5: expected a share above 0 and at most 1"),
        ((*given, "--max-loss", -1), "--max-loss -1: expected a loss from 0 to 100"),
        ((*given, "--references", short), f"--references {short}: has 1 lines; expected 20, one per sentence"),
        ((*given, "--num-shards", 2), "--num-shards 2: sweep decodes the whole split; leave it out"),
        ((source_side, *given[1:], *languages), "--gen-subset test: expected references, sweep without --references"),
    ):
        output = tmp_path / "report"
        assert main(["sweep", *map(str, (*DECODING, *arguments)), "--output", str(output)]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"fairseq-flexdepth sweep: error: {message}"), line
        assert not output.exists()
