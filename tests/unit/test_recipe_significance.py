"""The marks of the recipes' tables: which differences in BLEU are significant."""

import json
import random
import sys
from pathlib import Path
from typing import List, Tuple

import pytest
from sacrebleu.metrics import BLEU

from fairseq_flexdepth.corpus import paired_bootstrap as bootstrap
from recipes.common import generate_log, significance, table
from recipes.common.cells import Measurements
from recipes.common.significance import compare

WORDS = [f"word{number}" for number in range(20)]


def _sentences(seed: int = 1, number: int = 60) -> List[str]:
    words = random.Random(seed)
    return [" ".join(words.choices(WORDS, k=10)) for _ in range(number)]


def _worse(sentences: List[str], errors: int, seed: int = 2) -> List[str]:
    """Replace this number of words of every sentence."""
    chance = random.Random(seed)
    changed = [sentence.split() for sentence in sentences]
    for words in changed:
        for position in chance.sample(range(len(words)), errors):
            words[position] = "wrong"
    return [" ".join(words) for words in changed]


REFERENCES = _sentences()
GOOD, EQUALLY_GOOD, BAD = _worse(REFERENCES, 1), _worse(REFERENCES, 1, seed=3), _worse(REFERENCES, 4)
# good translations of every second sentence, bad ones of the others
MIXED = [(GOOD, BAD)[number % 2][number] for number in range(len(REFERENCES))]
EQUALLY_MIXED = [(BAD, GOOD)[number % 2][number] for number in range(len(REFERENCES))]


def _bleu(translations: List[str]) -> float:
    return round(BLEU().corpus_score(translations, [REFERENCES]).score, 2)


def _write(file: Path, lines: List[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _swept(folder: Path, *translations: List[str]) -> None:
    """Write the files of ``evaluate``, with a depth pair (1, M) for each translation."""
    _write(folder / "reference.txt", REFERENCES)
    rows = []
    for depth, lines in enumerate(translations, start=1):
        _write(folder / f"e1d{depth}.txt", lines)
        row = {"enc_layers": 1, "dec_layers": depth, "bleu": _bleu(lines), "translations": f"e1d{depth}.txt"}
        rows.append(row)
    (folder / "sweep.json").write_text(json.dumps(rows))


def _generated(work: Path, system: str, translations: List[str], monkeypatch, capsys) -> None:
    """Write the files of ``generate``, with the references in ``text``."""
    _write(work / "text" / "test.en", REFERENCES)
    log = work / system / "seed1" / "scores" / "test.txt"
    lines = [f"D-{number}\t-0.5\t{line}" for number, line in enumerate(translations)]
    _write(log, [*lines, "Translated 60 sentences (600 tokens) in 3.6s"])
    monkeypatch.setattr(sys, "argv", ["generate_log", str(log), "--references", str(work / "text" / "test.en")])
    generate_log.main()
    log.with_suffix(".json").write_text(capsys.readouterr().out)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for seed in ("seed1", "seed2"):
        _swept(tmp_path / "base" / seed / "test", MIXED, GOOD)
        _swept(tmp_path / "better" / seed / "test", GOOD)
    _swept(tmp_path / "equal" / "seed1" / "test", EQUALLY_MIXED)
    _swept(tmp_path / "same" / "seed1" / "test", MIXED)
    for system, second in (("worse", BAD), ("once", EQUALLY_MIXED), ("unstable", GOOD)):
        _swept(tmp_path / system / "seed1" / "test", BAD)
        _swept(tmp_path / system / "seed2" / "test", second)
    return tmp_path


def _significant(work: Path, cell: str) -> bool:
    found = compare(Measurements(work), cell, {})
    assert found is not None and found.tested
    return found.significant


@pytest.mark.parametrize(
    "system, significant",
    [
        ("better", True),
        ("worse", True),
        ("equal", False),
        ("same", False),  # sacrebleu's p would be 1 / 1001
        ("once", False),  # with one of two seeds alone
        ("unstable", False),  # worse with one seed, better with the other
    ],
)
@pytest.mark.parametrize("operator", ["vs", "-"])
def test_different_systems_have_a_mark_and_equal_ones_have_not(work, system, significant, operator):
    cell = f"{system}/test/sweep:bleu@1,1 {operator} base/test/sweep:bleu@1,1"
    assert _significant(work, cell) is significant


@pytest.mark.parametrize(
    "cell",
    [
        "better/test/sweep:bleu",  # no baseline
        "base/test/sweep:bleu@1,1 vs base/test/sweep:bleu@1,1",
        "base/test/sweep:bleu@*,* vs better/test/sweep:bleu",  # a mean
        "better/test/sweep:bleu vs nobody/test/sweep:bleu",
        "better/test/sweep:enc_layers - base/test/sweep:enc_layers",
        "better/test/sweep:bleu / base/test/sweep:bleu",
    ],
)
def test_nothing_to_compare(work, cell):
    assert compare(Measurements(work), cell, {}) is None


def test_the_test_is_that_of_sweep():
    ours, theirs = significance, bootstrap
    assert (ours.SAMPLES, ours.SEED, ours.LEVEL) == (theirs.SAMPLES, theirs.SEED, theirs.LEVEL)
    p_value, bleu = significance.compare_bleu(GOOD, BAD, REFERENCES)
    assert (p_value, [round(score, 2) for score in bleu]) == (1 / 1001, [_bleu(GOOD), _bleu(BAD)])


def test_results_are_kept_for_these_files(work, monkeypatch):
    cell = "better/test/sweep:bleu vs base/test/sweep:bleu@1,1"
    first = compare(Measurements(work), cell, {})
    kept = (work / "better" / "seed1" / "test").glob("*.paired-bootstrap*")
    assert [path.name for path in kept] == ["sweep.paired-bootstrap"]
    calls: List[List[str]] = []

    def other_bleu(system: List[str], *_: List[str]) -> Tuple[float, List[float]]:
        calls.append(system)
        return 0.001, [0.0, 0.0]

    monkeypatch.setattr(significance, "compare_bleu", other_bleu)
    assert compare(Measurements(work), cell, {}) == first
    assert not calls
    _swept(work / "better" / "seed1" / "test", EQUALLY_GOOD)
    changed = compare(Measurements(work), cell, {})
    assert calls == [EQUALLY_GOOD]
    assert changed is not None and not changed.tested  # the test's BLEU, 0, is not the table's
    assert not changed.significant


def test_translations_of_fairseq_generate(tmp_path, monkeypatch, capsys):
    _generated(tmp_path, "base", BAD, monkeypatch, capsys)
    _generated(tmp_path, "better", GOOD, monkeypatch, capsys)
    assert _significant(tmp_path, "better/scores/*:bleu vs base/scores/*:bleu")
    assert _significant(tmp_path, "better/scores/*:bleu vs base/scores/*:bleu")  # the kept result is no test set
    (tmp_path / "text" / "test.en").unlink()
    found = compare(Measurements(tmp_path), "better/scores/*:bleu vs base/scores/*:bleu", {})
    assert found is not None and not found.tested and not found.significant


def test_many_baselines_have_one_name(work):
    rows = "".join(f"{number}\tbase-{number}\n" for number in range(8))
    (work / "many.tsv").write_text(f"n\tsystem\n{rows}")
    for number in range(8):
        _swept(work / f"base-{number}" / "seed1" / "test", BAD)
    cell = "better/test/sweep:bleu - base-{n}/test/sweep:bleu"
    for rows_kept, baselines in ((8, "`base-{n}`"), (2, "`base-0`, `base-1`")):
        lines = (work / "many.tsv").read_text().splitlines(keepends=True)
        (work / "many.tsv").write_text("".join(lines[: rows_kept + 1]))
        read = table.read_table(work / "many.tsv", {"+gain": cell}, Measurements(work))
        assert all(line.endswith("† |") for line in table.markdown(read).splitlines()[2:])
        assert table.significance_notes(read, 1)[0].endswith(f"Baselines: gain: {baselines}.")


def test_the_table_explains_its_mark(work, monkeypatch, capsys):
    (work / "table.tsv").write_text(
        "method\tsystem\tbleu\ndeep\tbetter\t30.1\nbase\tbase\t\nequal\tequal\t\nTheirs\t\t33.0\n"
    )
    column = "bleu={system}/test/sweep:bleu@1,1 vs base/test/sweep:bleu@1,1"
    arguments = ["--work", str(work), "--column", column, "--output", str(work / "out"), "--scale", "small"]
    monkeypatch.setattr(sys, "argv", ["table", str(work / "table.tsv"), *arguments, "--data", "made up"])
    table.main()
    good, bad, equal = (f"{_bleu(lines):.1f}" for lines in (GOOD, MIXED, EQUALLY_MIXED))
    assert (work / "out.md").read_text(encoding="utf-8") == (
        "| method | bleu | paper |\n| --- | --: | --: |\n"
        f"| deep | {good}† | 30.1 |\n| base | {bad} |  |\n| equal | {equal} |  |\n| Theirs |  | 33.0 |\n\n"
        "SCALE=small, data: made up. Means ± sample standard deviations over 2 seeds. † BLEU differs from the "
        "baseline's, for every seed, in the same direction, with p < 0.05 by sacrebleu's paired bootstrap test "
        "(1,000 samples, seed 12345). Baselines: bleu: `base`.\n"
    )
    first = capsys.readouterr().out
    table.main()
    assert capsys.readouterr().out == first
