"""The recipes' tables: the source of measured values, and their place beside the paper's."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from recipes.common.cells import Measurements
from recipes.common.convergence import late_improvement, note
from recipes.common.table import markdown, read_table
from recipes.common.training import speed


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Two seeds of a model of two depths, one of a model without depths, and an oracle's report."""
    grid: List[Dict[str, Any]] = [
        {"enc_layers": 1, "dec_layers": 1, "bleu": 10.0, "bleu_signature": "nrefs:1"},
        {"enc_layers": 2, "dec_layers": 1, "bleu": 20.0, "bleu_signature": "nrefs:1"},
    ]
    files = {
        "tied/seed1/test/sweep": grid,
        "tied/seed2/test/sweep": [{**row, "bleu": row["bleu"] + 1} for row in grid],
        "vanilla-1-1/seed1/test/sweep": [{"enc_layers": 1, "dec_layers": 1, "bleu": 12.0}],
        "vanilla-2-1/seed1/test/sweep": [{"enc_layers": 2, "dec_layers": 1, "bleu": 26.0}],
        "lstm/seed1/test/sweep": [{"enc_layers": None, "dec_layers": None, "bleu": 5.0}],
        "tied/seed1/labels": {"oracle": {"seconds": 3.0}, "pairs": [{"enc_layers": 1, "dec_layers": 1, "seconds": 2}]},
    }
    for name, content in files.items():
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    "cell, value",
    [
        ("tied/test/sweep:bleu@1,1", 10.5),
        ("tied/test/sweep:bleu", 20.5),  # the deepest
        ("tied/test/sweep:bleu@*,*", 15.5),
        ("tied/test/sweep:bleu@{n},1", 20.5),
        ("vanilla-*/test/sweep:bleu", 19.0),
        ("sum vanilla-*/test/sweep:bleu", 38.0),
        ("tied/test/sweep:bleu@{n},1 - vanilla-2-1/test/sweep:bleu", -5.5),
        ("sum vanilla-*/test/sweep:bleu / vanilla-{deep}-1/test/sweep:bleu", 38 / 26),
        ("tied/labels:oracle.seconds", 3.0),
        ("tied/labels:pairs.seconds@1,1", 2.0),
        ("lstm/test/sweep:bleu", 5.0),
        ("{cell}", 26.0),
        ("tied/t*/sweep:bleu@1,1 / 1e1", 1.05),
        ("tied/test/sweep:bleu@1,1 vs vanilla-1-1/test/sweep:bleu", 10.5),
        ("tied/test/sweep:bleu@1,1 vs nobody/test/sweep:bleu", 10.5),
        ("tied/test/sweep:bleu@3,1", None),
        ("nobody/test/sweep:bleu", None),
        ("tied/test/sweep:bleu@1,1 - nobody/test/sweep:bleu", None),
    ],
)
def test_cells(work, cell, value):
    row = {"n": "2", "cell": "vanilla-{deep}-1/test/sweep:bleu"}
    assert Measurements(work, {"deep": "2"}).value(cell, row) == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    "cell, deviation",
    [
        ("tied/test/sweep:bleu@1,1", 0.5**0.5),  # of 10 and 11
        ("tied/test/sweep:bleu@2,1 / tied/test/sweep:bleu@1,1", (20 / 10 - 21 / 11) / 2**0.5),
        ("tied/test/sweep:bleu@2,1 - tied/test/sweep:bleu@1,1", None),  # 10 with each seed
        ("tied/test/sweep:bleu@1,1 - vanilla-1-1/test/sweep:bleu", None),  # one seed has a baseline
        ("vanilla-1-1/test/sweep:bleu", None),
        ("nobody/test/sweep:bleu", None),
        ("", None),
    ],
)
def test_standard_deviation_over_seeds(work, cell, deviation):
    found = Measurements(work).deviation(cell, {})
    assert found == (deviation if deviation is None else pytest.approx(deviation))


def test_mistakes_in_cells(work):
    with pytest.raises(ValueError, match="cell bleu: expected SYSTEM/FILE:KEY"):
        Measurements(work).value("bleu", {})
    with pytest.raises(ValueError, match="has no key chrf; its keys are enc_layers"):
        Measurements(work).value("tied/test/sweep:chrf", {})


def test_measured_values_stand_beside_the_papers(work, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("method\tsystem\tbleu\nTied\ttied\t21.25\nOther\tother\t30\nVanilla\tvanilla-2-1\t\n")
    measurements = Measurements(work)
    read = read_table(table, {"bleu": "{system}/test/sweep:bleu"}, measurements)
    assert markdown(read).splitlines() == [
        "| method | bleu | paper |",
        "| --- | --: | --: |",
        "| Tied | 20.50 ± 0.71 | 21.25 |",
        "| Vanilla | 26.00 |  |",
    ]
    assert (read.left_out, measurements.most_seeds, measurements.signatures) == (1, 2, {"nrefs:1"})
    with pytest.raises(ValueError, match="--column chrf: not in table.tsv; its columns are method, system, bleu"):
        read_table(table, {"chrf": "{system}/test/sweep:chrf"}, measurements)
    with pytest.raises(ValueError, match="nothing of table.tsv was measured"):
        read_table(table, {"bleu": "nobody/test/sweep:bleu"}, measurements)


def test_columns_of_the_paper_alone_and_of_ours(work, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("method\tpairs\tlarge\ntied\t12.5\t\nours\t\t\nnone\t11.0\t\n")
    cells = {"pairs": "", "large": "vanilla-2-1/test/sweep:bleu", "+small": "tied/test/sweep:bleu"}
    read = read_table(table, cells, Measurements(work))
    assert markdown(read).splitlines()[::2] == [
        "| method | pairs, paper | large | small |",
        "| tied | 12.5 | 26.0 | 20.5 ± 0.7 |",
        "| none | 11.0 | 26.0 | 20.5 ± 0.7 |",
    ]
    measured = read_table(table, {"pairs": "", "+small": "{method}/test/sweep:bleu"}, Measurements(work))
    assert measured.left_out == 1  # the paper's row; ours does not count


def test_what_others_reported_and_small_numbers(work, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("method\tsystem\tmillions\tbleu\twer\nTied\ttied\t61\t27.1\t3\nTheirs\t\t514\t33.1\t\n")
    cells = {"millions": "vanilla-1-1/test/sweep:bleu / 1e2", "bleu": "tied/t*/sweep:bleu", "wer": "nobody/test:wer"}
    read = read_table(table, cells, Measurements(work))
    rows = ["| Tied | 0.120 | 61 | 20.5 ± 0.7 | 27.1 |", "| Theirs |  | 514 |  | 33.1 |"]
    assert markdown(read).splitlines()[2:] == rows
    assert (read.left_out, read.unmeasured) == (0, ["wer"])


@pytest.mark.parametrize(
    "curve, improvement",
    [
        ({50: 5.0, 80: 4.0, 100: 3.9}, 2.5),
        ({60: 4.2, 100: 3.9}, 3.7),  # 4.05 at update 80
        ({20: 4.0, 100: 4.4}, -2.3),  # it became worse: 4.3 at update 80
        ({90: 4.0, 100: 3.9}, None),
        ({80: 0.0, 100: 0.0}, None),
        ({}, None),
    ],
)
def test_the_improvement_in_the_last_fifth_of_a_training(curve, improvement):
    found = late_improvement(curve)
    assert found == (None if improvement is None else pytest.approx(improvement, abs=0.05))


def test_quality_of_systems_that_had_not_converged_is_marked(work, tmp_path):
    for name, improvement in (("tied/seed2", 2.5), ("vanilla-1-1/seed1", 1.5), ("lstm/seed1", None)):
        content = {"parameters": 7, "last_fifth_improvement_percent": improvement}
        (work / f"{name}/train.json").write_text(json.dumps(content))
    table = tmp_path / "table.tsv"
    table.write_text("system\tbleu\tsize\ntied\t20\t7\nvanilla-1-1\t12\t7\nlstm\t5\t7\n")
    cells = {"bleu": "{system}/test/sweep:bleu vs tied/test/sweep:bleu", "size": "tied/train:parameters"}
    cells["+difference"] = "vanilla-1-1/test/sweep:bleu - tied/test/sweep:bleu@1,1"
    read = read_table(table, cells, Measurements(work))
    assert read.columns[0].parts["bleu"] == ["20.5 ± 0.7‡", "12.0", "5.0‡"]
    assert read.columns[1].unfinished == [[], [], []]  # sizes do not depend on convergence
    assert read.columns[2].unfinished == [["tied/seed2"]] * 3
    assert "Not converged" in note(["tied/seed2"])


def test_the_speed_of_an_interrupted_training(tmp_path):
    log = tmp_path / "train.log"
    start = "2026 | INFO | fairseq_cli.train | training on 2 devices (GPUs/TPUs) and max tokens per device = 9\n"
    # killed after 60 seconds, and again before it logged an interval; the third run is longer
    runs = [[(10, 100, 60)], [], [(20, 300, 65), (30, 500, 130), (40, 400, 150)]]
    log.write_text(
        "".join(
            start * 2  # from each of two ranks
            + "".join(
                f'| train_inner | {{"num_updates": "{updates}", "wps": "{wps}", "wpb": "1200", "wall": "{wall}"}}\n'
                for updates, wps, wall in run
            )
            for run in runs
        )
    )
    assert speed(log) == {"words_per_second": 400.0, "seconds_per_update": 3.0, "minutes": 3.5, "updates": 40.0}
    log.write_text(f'{start}| train_inner | {{"num_updates": "4", "wps": "0", "wpb": "9", "wall": "6"}}\n')
    assert speed(log)["seconds_per_update"] == 1.5
    log.write_text("nothing")
    with pytest.raises(ValueError, match="no interval of training"):
        speed(log)
