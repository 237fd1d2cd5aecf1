"""The Python scripts of layer_sharing's recipes: BLEU with split compounds, training texts of several parts."""

import sys

import pytest

from recipes.layer_sharing import training_text
from recipes.layer_sharing.compound_bleu import compound_bleu, split_compounds


def test_compounds_are_split_at_their_hyphens():
    assert split_compounds("ein Café-Liebhaber - 1-2 A-B-C") == (
        "ein Café ##AT##-##AT## Liebhaber - 1 ##AT##-##AT## 2 A ##AT##-##AT## B-C"
    )


def test_split_compounds_match_in_part():
    pytest.importorskip("sacremoses")
    reference = ["Der alte Café-Liebhaber kam zu spät ."]
    assert compound_bleu(reference, reference, "de") == 100
    assert 0 < compound_bleu(["Der alte Café-Besitzer kam zu spät ."], reference, "de") < 100
    with pytest.raises(ValueError, match="1 references; expected 0"):
        compound_bleu([], reference, "de")


def test_a_training_text_of_parts(tmp_path, monkeypatch):
    for name, lines in (("train", "abcde"), ("synthetic", "xy"), ("valid", "v")):
        (tmp_path / f"{name}.en").write_text("".join(f"{line}\n" for line in lines))
    for options, expected in ((["--share", "0.5"], "ab"), (["--with", "synthetic"], "abcdexy")):
        command = ["", str(tmp_path), str(tmp_path / "into"), "--languages", "en", "--splits", "valid", *options]
        monkeypatch.setattr(sys, "argv", command)
        training_text.main()
        assert (tmp_path / "into/train.en").read_text().split() == list(expected)
    assert (tmp_path / "into/valid.en").read_text() == "v\n"
    monkeypatch.setattr(sys, "argv", [*command, "--share", "2"])
    with pytest.raises(ValueError, match="--share 2.0: expected more than 0, at most 1"):
        training_text.main()
