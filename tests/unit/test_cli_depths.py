"""``fairseq-flexdepth depths``."""

import io
import json
import sys

import pytest

from fairseq_flexdepth.cli.main import main


def _json(capsys, *arguments):
    assert main(["depths", *arguments, "--json"]) == 0
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    return json.loads(output)


def test_json_of_twelve_layers(capsys):
    result = _json(capsys, "--layers", "12", "--strategy", "head")
    assert list(result) == [
        "layers",
        "strategy",
        "subnetworks",
        "task_balance",
        "task_balance_eq5",
        "average_layer_distance",
    ]
    assert (result["layers"], result["strategy"]) == (12, "head")
    assert list(result["subnetworks"]) == ["1", "2", "3", "4", "6", "12"]
    assert result["subnetworks"]["4"] == [1, 2, 3, 4]
    # flexible_depth, Table 3: Head has TB 1.78 and ALD 1.0
    assert result["task_balance"] == pytest.approx(1.78, abs=0.005)
    assert result["task_balance_eq5"] == pytest.approx(result["task_balance"] * (11 / 12) ** 0.5)
    assert result["average_layer_distance"] == 1.0


@pytest.mark.parametrize(
    ("depths", "expected"),
    [("all", ["1", "2", "3", "4"]), ("divisors", ["1", "2", "4"]), ("4,1", ["1", "4"])],
)
def test_depths_asked_for_come_in_ascending_order(depths, expected, capsys):
    assert list(_json(capsys, "--layers", "4", "--depths", depths)["subnetworks"]) == expected


def test_divisors_and_head_are_the_defaults(capsys):
    assert _json(capsys, "--layers", "6") == _json(
        capsys, "--layers", "6", "--strategy", "head", "--depths", "divisors"
    )


def test_one_layer_has_no_sample_deviation(capsys):
    result = _json(capsys, "--layers", "1")
    assert result["task_balance"] is None
    assert result["task_balance_eq5"] == 0


def test_picture(capsys):
    assert main(["depths", "--layers", "10", "--depths", "1,10"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "layer      1  2  3  4  5  6  7  8  9 10",
        "depth 1    ■  ·  ·  ·  ·  ·  ·  ·  ·  ·",
        "depth 10   ■  ■  ■  ■  ■  ■  ■  ■  ■  ■",
        "",
        "TB   0.32  task balance, lower is more even (0.30 by Eq. 5)",
        "ALD  1.00  average layer distance, higher is more spread out",
    ]


def test_picture_of_one_layer(capsys):
    assert main(["depths", "--layers", "1"]) == 0
    assert "TB   –     task balance" in capsys.readouterr().out


def test_picture_on_a_terminal_without_unicode(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["depths", "--layers", "2", "--depths", "1"]) == 0
    terminal.seek(0)
    assert terminal.read().splitlines()[1] == "depth 1  # ."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "0"], "--layers 0: expected 1 or more"),
        (["--layers", "-3"], "--layers -3: expected 1 or more"),
        (
            ["--layers", "6", "--depths", "1,7"],
            "--depths 1,7: depths must lie between 1 and 6, the number of layers",
        ),
        (
            ["--layers", "6", "--depths", "0"],
            "--depths 0: depths must lie between 1 and 6, the number of layers",
        ),
        (
            ["--layers", "6", "--depths", "some"],
            "--depths some: expected all, divisors or depths separated by commas such as 1,2,6",
        ),
    ],
)
def test_bad_input(arguments, message, capsys):
    assert main(["depths", *arguments]) == 2
    assert capsys.readouterr() == ("", f"fairseq-flexdepth depths: error: {message}\n")


def test_unknown_strategy(capsys):
    with pytest.raises(SystemExit, match="^2$"):
        main(["depths", "--layers", "6", "--strategy", "tail"])
    assert "error: argument --strategy: invalid choice: 'tail' (choose from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("strategy", "balance", "distance"),
    [
        ("head", 1.78, 1.0),
        ("seq", 0.49, 1.0),
        ("left", 1.50, 2.0),
        ("middle_left", 0.78, 2.0),
        ("optimal", 0.49, 2.05),
    ],
)
def test_table_3_of_flexible_depth(capsys, strategy, balance, distance):
    result = _json(capsys, "--layers", "12", "--strategy", strategy)
    assert result["task_balance"] == pytest.approx(balance, abs=0.005)
    assert result["task_balance_eq5"] == pytest.approx(result["task_balance"] * (11 / 12) ** 0.5)
    assert result["average_layer_distance"] == pytest.approx(distance, abs=0.0051)
    assert main(["depths", "--layers", "12", "--strategy", strategy]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:2] == ["TB", f"{balance:.2f}"]
    assert lines[-1].split()[0] == "ALD"


def test_the_picture_of_optimal(capsys):
    assert main(["depths", "--layers", "6", "--strategy", "optimal"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[:5]]
    assert rows[0] == ["layer", *"123456"]
    runs = {int(row[1]): [position for position, mark in enumerate(row[2:], 1) if mark in "■#"] for row in rows[1:]}
    assert runs == {1: [4], 2: [2, 6], 3: [1, 3, 5], 6: [1, 2, 3, 4, 5, 6]}
