"""``fairseq-flexdepth sharing``."""

import json

import pytest

from fairseq_flexdepth.cli.main import main


def test_json(capsys):
    assert main(["sharing", "--layers", "12", "--unique", "6", "--strategy", "cycle_rev", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"assignment": [1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1]}


def test_picture(capsys):
    assert main(["sharing", "--layers", "10", "--unique", "5", "--strategy", "sequence"]) == 0
    positions, layers = capsys.readouterr().out.splitlines()
    assert positions.split() == ["position", *map(str, range(1, 11))]
    assert layers.split() == ["unique", "layer", *"1122334455"]
    assert len(positions) == len(layers)


@pytest.mark.parametrize(
    ("layers", "unique", "message"),
    [
        ("12", "5", "--unique 5: must divide 12, the number of layers: expected one of 1,2,3,4,6,12"),
        ("6", "7", "--unique 7: must divide 6"),
        ("6", "0", "--unique 0: must divide 6"),
        ("0", "1", "--layers 0: expected 1 or more"),
    ],
)
def test_mistakes(capsys, layers, unique, message):
    assert main(["sharing", "--layers", layers, "--unique", unique, "--strategy", "cycle"]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
