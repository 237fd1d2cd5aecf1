"""The page, tables and files of a sweep from made-up rows."""

import csv
import dataclasses
import io
import re
import sys
from types import SimpleNamespace
from typing import Any, List, Optional, Tuple

import pytest

from fairseq_flexdepth.cli.report.columns import COLUMNS, Place, columns_of, file_values
from fairseq_flexdepth.cli.report.facts import Facts, budget_facts, generate_command
from fairseq_flexdepth.cli.report.files import csv_text
from fairseq_flexdepth.cli.report.page import page
from fairseq_flexdepth.cli.report.terminal import summary
from fairseq_flexdepth.corpus.scores import CometScorer
from fairseq_flexdepth.corpus.sweep import ModelDepth, SweepResults
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable, short_names
from fairseq_flexdepth.depth.supported_depths import parse_pairs

Sizes = List[Tuple[int, int]]  # encoder and decoder layers of each model

# Programs read these keys, and CSV by position: the order must stay.
KEYS = [
    "path", "enc_layers", "dec_layers", "bleu", "chrf", "comet", "seconds", "relative_seconds", "sentences_per_second",
    "words_per_second", "seconds_min", "seconds_max", "repeats", "sentences", "beam", "translations", "bleu_signature",
    "chrf_signature", "pareto", "best_within_budget",
]  # fmt: skip


def test_depths_are_written_as_encoder_and_decoder() -> None:
    assert parse_pairs("3-2,1-1, 3-2", "--depths") == [(1, 1), (3, 2)]
    for text in ("", "3", "1-1,,2-2", "1x2", "-1-1"):
        with pytest.raises(ValueError, match=f"^--depths {text}: expected encoder and decoder depths such as 1-1,3-2$"):
            parse_pairs(text, "--depths")


def test_short_names_differ_between_models() -> None:
    assert short_names(["x/tied/last.pt"]) == ["tied/last.pt"]
    assert short_names(["x/tied/last.pt", "x/vanilla/last.pt"]) == ["tied", "vanilla"]
    assert short_names(["a/m.pt", "b/m/m.pt", "b/n.pt"]) == ["a/m.pt", "m/m.pt", "b/n.pt"]


def decoded(repeats: int = 3) -> SweepResults:
    """Two batches of three sentences at two depth pairs; a fourth sentence was too long."""
    generation = SimpleNamespace(beam=4)
    cfg = SimpleNamespace(generation=generation)
    split = SimpleNamespace(paths=["m.pt"], dataset=[0] * 4, cfg=cfg, bleu_text=None)
    model_depths = [ModelDepth(0, (1, 1)), ModelDepth(0, (2, 2))]
    sweep: Any = SimpleNamespace(split=split, model_depths=model_depths, repeats=repeats, baseline=1)
    results: Any = [
        [[[1.0, 9.0, 2.0], ["a b c d", "e f g h"]], [[2.0, 4.0, 6.0], ["a b c d", "e f g h"]]],
        [[[0.5, 0.25, 0.5], ["wrong"]], [[1.0, 1.0, 1.0], ["i j k l"]]],
    ]
    return SweepResults(sweep, [[0, 2], [3]], results)


def scored(**options: Any) -> SweepTable:
    sources = ["one two", "far too long", "three", "four  five\tsix"]
    references = ["a b c d", "x", "e f g h", "i j k l"]
    return decoded().table(sources, references, **options)


def test_rows_count_medians_and_source_words() -> None:
    table = scored(comet=lambda texts, references: {"comet": 0.5})
    shallow, deep = table.rows
    assert (shallow.seconds, shallow.seconds_min, shallow.seconds_max) == (2.5, 1.5, 9.25)
    assert (deep.seconds, deep.relative_seconds, shallow.relative_seconds) == (5.0, 1.0, 0.5)
    assert (deep.sentences, deep.sentences_per_second, deep.words_per_second) == (3, 0.6, 1.2)
    assert shallow.words_per_second == 2.4
    assert (shallow.pareto, deep.pareto) == (True, True)
    assert deep.chrf > shallow.chrf
    assert deep.comet == 0.5
    assert deep.chrf_signature.startswith("nrefs:1|")
    assert (shallow.translations, shallow.model, table.baseline) == ("e1d1.txt", "m.pt", deep)
    assert decoded().translations(0) == ["a b c d", "", "e f g h", "wrong"]


def test_keys_of_the_files_keep_their_order() -> None:
    with_everything = scored(comet=lambda texts, references: {"comet": 0.5}, budget=0.5)
    plain = [key for key in KEYS if key not in ("comet", "best_within_budget")]
    for table, keys in ((with_everything, KEYS), (scored(), plain)):
        rows = file_values(table.rows)
        assert [list(row) for row in rows] == [keys] * 2
        assert csv_text(rows).splitlines()[0] == ",".join(keys)


def test_every_place_shows_its_columns() -> None:
    assert {column.key for column in COLUMNS} <= set(dir(SweepRow)) | {
        field.name for field in dataclasses.fields(SweepRow)
    }
    table, _ = table_and_facts([(2, 1), (1, 1)])
    for place in Place:
        columns = columns_of(place, table.rows)
        assert len({column.key for column in columns}) == len(columns)
        assert place is Place.FILES or all(column.title for column in columns)


def table_and_facts(sizes: Sizes, budget: Optional[float] = 0.5) -> Tuple[SweepTable, Facts]:
    """Made-up rows of models with all depth pairs of *sizes*."""
    rows: List[SweepRow] = []
    models: Any = []
    for number, (encoder, decoder) in enumerate(sizes):
        path = f"runs/<{number}>/last.pt"
        models.append({"path": path, "name": f"<{number}>", "has_depths": (encoder, decoder) != (1, 1)})
        for n in range(1, encoder + 1):
            for m in range(1, decoder + 1):
                row = SweepRow(
                    path=path, model=f"<{number}>", enc_layers=n, dec_layers=m, bleu=20.0 + n + 2 * m, chrf=50.0 + n,
                    seconds=n + 3.0 * m, relative_seconds=(n + 3 * m) / (sizes[0][0] + 3 * sizes[0][1]),
                    sentences_per_second=7.0, words_per_second=70.0, seconds_min=1.0, seconds_max=2.0, repeats=1,
                    sentences=10, beam=4, translations=f"{number}e{n}d{m}.txt", bleu_signature="b", chrf_signature="c",
                )  # fmt: skip
                rows.append(row)
    baseline = next(position for position, row in enumerate(rows) if row.pair == sizes[0])
    table = SweepTable(rows, baseline, budget)
    facts: Facts = {
        "data": "bin", "split": "test", "languages": ["de", "en"], "sentences": 10, "skipped": 1, "source_words": 70,
        "references": None, "models": models, "baseline": {}, "bleu_signature": "b", "chrf_signature": "c",
        "budget": budget_facts(table), "comet_model": None, "repeats": 1, "precision": "fp32",
        "options": ["bin", "--beam", "4"], "date": "today", "settings": {"max_tokens": 4000, "batch_size": None},
        "machine": {"cpu": "C", "gpu": None, "cores": 2, "threads": 2, "python": "3", "torch": "2", "fairseq": "f"},
    }  # fmt: skip
    return table, facts


@pytest.mark.parametrize("sizes", [[(1, 1)], [(3, 3)], [(6, 6)], [(3, 2), (1, 1), (2, 2)]], ids=str)
def test_the_page_needs_nothing_else_and_has_every_depth_pair(sizes: Sizes) -> None:
    table, facts = table_and_facts(sizes)
    commands = {row.translations: generate_command(facts, row) for row in table.rows}
    text = page(table, facts, commands, b"picture")
    assert not re.search(r"<script|<link|https?:|src=\"(?!data:)|<[0-9]>|\$", text)
    assert len(re.findall(r"<tr class=\"[a-z]*\"><td>\d+</td><td>\d+</td>", text)) == len(table.rows)
    assert text.count("<pre>fairseq-generate bin --beam 4 --path") == len(table.rows)
    assert text.count("--enc-layers") == sum(n * m for n, m in sizes if (n, m) != (1, 1))
    budget = facts["budget"]
    assert budget is not None
    if sizes == [(3, 3)]:
        best = budget["best"]
        assert (best["enc_layers"], best["dec_layers"], best["bleu"]) == (3, 1, 25.0)
        assert "In half the time: use <b>(3, 1)</b>, which costs 4.0 BLEU" in text
        assert [row.best_within_budget for row in table.rows].index(True) == 6
        assert table.within_budget is table.rows[6]
    assert (budget["best"] is None) == (sizes == [(1, 1)])


def test_the_front_and_the_best_row_of_a_model() -> None:
    table, _ = table_and_facts([(3, 2), (1, 1), (2, 2)], budget=None)
    assert [row.pair for row in table.front] == [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2)]
    assert [row for row in table.rows if row.pareto] == sorted(table.front, key=lambda row: row.pair)
    assert {row.best_within_budget for row in table.rows} == {None}
    found = [table.best_within(0.7, path) for path in table.paths]
    assert [None if row is None else row.pair for row in found] == [(3, 1), (1, 1), (2, 1)]
    assert table.best_within(0.1) is None


def test_csv_has_the_rows() -> None:
    rows = file_values(table_and_facts([(2, 2)])[0].rows)
    found = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert [{key: str(value) for key, value in row.items()} for row in rows] == found


def test_the_table_on_the_terminal() -> None:
    table, facts = table_and_facts([(2, 1), (1, 1)])
    lines = summary("out", table, facts).splitlines()
    assert [line.count("|") for line in lines[:5]] == [10] * 5
    assert lines[5] == "--budget 0.5: no depth pair is that fast"
    table, facts = table_and_facts([(2, 1), (1, 1)], budget=0.9)
    expected = "--budget 0.9: depth pair (1, 1) of <0>: BLEU 23.0 in 0.80 of the deepest depth pair's time"
    assert expected in summary("out", table, facts)


def test_comet_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "comet", None)
    with pytest.raises(ValueError, match="^--comet some/model: needs the package unbabel-comet; pip install"):
        CometScorer("some/model", False)

    def predict(data: Any, **options: Any) -> SimpleNamespace:
        assert data == [{"src": "s", "mt": "h", "ref": "r"}]
        return SimpleNamespace(system_score=0.81234)

    loaded = SimpleNamespace(predict=predict)
    package = SimpleNamespace(download_model=lambda name: f"got {name}", load_from_checkpoint=lambda path: loaded)
    monkeypatch.setitem(sys.modules, "comet", package)
    assert CometScorer("some/model", False)(["s"], ["h"], ["r"]) == {"comet": 0.8123}
