"""A sweep's trade-off, page and tables from made-up rows."""

import csv
import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from fairseq_flexdepth.cli.report import report
from fairseq_flexdepth.cli.report.page import page
from fairseq_flexdepth.corpus.scores import CometScorer
from fairseq_flexdepth.corpus.sweep import Run, SweepResults
from fairseq_flexdepth.depth.space import parse_pairs
from fairseq_flexdepth.depth.trade_off import best_within, pareto_front


def test_the_front_holds_what_nothing_beats():
    quality, seconds = [30, 28, 30, 33, 29, 33], [5, 2, 4, 9, 2, 9]
    assert pareto_front(quality, seconds) == [4, 2, 3]
    assert pareto_front([1], [1]) == [0]


def test_the_best_within_a_budget():
    quality, seconds = [30, 31, 31, 35], [1, 3, 2, 8]
    assert best_within(quality, seconds, 4) == 2  # of equals the faster
    assert best_within(quality, seconds, 8) == 3
    assert best_within(quality, seconds, 0.5) is None


def test_depths_are_written_as_encoder_and_decoder():
    assert parse_pairs("3-2,1-1, 3-2", "--depths") == [(1, 1), (3, 2)]
    for text in ("", "3", "1-1,,2-2", "1x2", "-1-1"):
        with pytest.raises(ValueError, match=f"^--depths {text}: expected encoder and decoder depths such as 1-1,3-2$"):
            parse_pairs(text, "--depths")


def test_models_are_named_by_what_tells_them_apart():
    assert report.short_names(["x/tied/last.pt"]) == ["tied/last.pt"]
    assert report.short_names(["x/tied/last.pt", "x/vanilla/last.pt"]) == ["tied", "vanilla"]
    assert report.short_names(["a/m.pt", "b/m/m.pt", "b/n.pt"]) == ["a/m.pt", "m/m.pt", "b/n.pt"]


def swept(repeats=3):
    """Two batches of three sentences, one of which was too long, at two pairs."""
    generation = SimpleNamespace(beam=4)
    cfg = SimpleNamespace(generation=generation)
    split = SimpleNamespace(paths=["m.pt"], dataset=[0] * 4, cfg=cfg, bleu_text=None)
    runs = [Run(0, (1, 1)), Run(0, (2, 2))]
    sweep: Any = SimpleNamespace(split=split, runs=runs, repeats=repeats, baseline=runs[1])
    sweep.file_name = lambda run: "x.txt"
    results = [
        [[[1.0, 9.0, 2.0], ["a b c d", "e f g h"]], [[2.0, 4.0, 6.0], ["a b c d", "e f g h"]]],
        [[[0.5, 0.25, 0.5], ["wrong"]], [[1.0, 1.0, 1.0], ["i j k l"]]],
    ]
    return SweepResults(sweep, [[0, 2], [3]], results)


def test_rows_count_medians_and_source_words():
    sources = ["one two", "far too long", "three", "four  five\tsix"]
    references = ["a b c d", "x", "e f g h", "i j k l"]
    shallow, deep = swept().rows(sources, references, lambda found, texts: {"comet": 0.5})
    assert (shallow["seconds"], shallow["seconds_min"], shallow["seconds_max"]) == (2.5, 1.5, 9.25)
    assert (deep["seconds"], deep["relative_seconds"], shallow["relative_seconds"]) == (5.0, 1.0, 0.5)
    assert (deep["sentences"], deep["sentences_per_second"], deep["words_per_second"]) == (3, 0.6, 1.2)
    assert shallow["words_per_second"] == 2.4
    assert (shallow["pareto"], deep["pareto"]) == (True, True)
    assert deep["chrf"] > shallow["chrf"]
    assert deep["comet"] == 0.5
    assert deep["chrf_signature"].startswith("nrefs:1|")
    assert swept().translations(0) == ["a b c d", "", "e f g h", "wrong"]


def rows_and_facts(sizes):
    rows, models = [], []
    for number, (encoder, decoder) in enumerate(sizes):
        path = f"runs/<{number}>/last.pt"
        models.append({"path": path, "name": f"<{number}>", "has_depths": (encoder, decoder) != (1, 1)})
        for n in range(1, encoder + 1):
            for m in range(1, decoder + 1):
                rows.append({
                    "path": path, "enc_layers": n, "dec_layers": m, "bleu": 20.0 + n + 2 * m, "chrf": 50.0 + n,
                    "seconds": n + 3.0 * m, "relative_seconds": (n + 3 * m) / (sizes[0][0] + 3 * sizes[0][1]),
                    "sentences_per_second": 7.0, "words_per_second": 70.0, "seconds_min": 1.0, "seconds_max": 2.0,
                    "repeats": 1, "sentences": 10, "beam": 4, "translations": f"{number}e{n}d{m}.txt", "pareto": False,
                })  # fmt: skip
    for position in pareto_front([row["bleu"] for row in rows], [row["seconds"] for row in rows]):
        rows[position]["pareto"] = True
    deepest = next(row for row in rows if (row["enc_layers"], row["dec_layers"]) == sizes[0])
    facts = {
        "data": "bin", "split": "test", "languages": ["de", "en"], "sentences": 10, "skipped": 1, "source_words": 70,
        "references": None, "models": models, "baseline": deepest, "bleu_signature": "b", "chrf_signature": "c",
        "budget": report._budget(0.5, rows, deepest), "comet_model": None, "repeats": 1, "precision": "fp32",
        "options": ["bin", "--beam", "4"], "date": "today", "settings": {"max_tokens": 4000, "batch_size": None},
        "machine": {"cpu": "C", "gpu": None, "cores": 2, "threads": 2, "python": "3", "torch": "2", "fairseq": "f"},
    }  # fmt: skip
    return rows, facts


@pytest.mark.parametrize("sizes", [[(1, 1)], [(3, 3)], [(6, 6)], [(3, 2), (1, 1), (2, 2)]], ids=str)
def test_the_page_needs_nothing_else_and_has_every_depth(sizes):
    rows, facts = rows_and_facts(sizes)
    commands = {row["translations"]: report.generate_command(facts, row) for row in rows}
    text = page(rows, facts, commands, b"picture")
    assert not re.search(r"<script|<link|https?:|src=\"(?!data:)|<[0-9]>|\$", text)
    assert len(re.findall(r"<tr class=\"[a-z]*\"><td>\d+</td><td>\d+</td>", text)) == len(rows)
    assert text.count("<pre>fairseq-generate bin --beam 4 --path") == len(rows)
    assert text.count("--enc-layers") == sum(n * m for n, m in sizes if (n, m) != (1, 1))
    if sizes == [(3, 3)]:
        best = facts["budget"]["best"]
        assert (best["enc_layers"], best["dec_layers"], best["bleu"]) == (3, 1, 25.0)
        assert "In half the time: use <b>(3, 1)</b>, which costs 4.0 BLEU" in text
        assert [row["best_within_budget"] for row in rows].index(True) == 6
    assert (facts["budget"]["best"] is None) == (sizes == [(1, 1)])


def test_csv_has_the_rows():
    rows, _ = rows_and_facts([(2, 2)])
    found = list(csv.DictReader(io.StringIO(report.csv_text(rows))))
    assert [{key: str(value) for key, value in row.items()} for row in rows] == found


def test_the_table_on_the_terminal():
    rows, facts = rows_and_facts([(2, 1), (1, 1)])
    lines = report.summary("out", rows, facts).splitlines()
    assert [line.count("|") for line in lines[:5]] == [10] * 5
    assert lines[5] == "--budget 0.5: no depth is that fast"
    facts["budget"] = report._budget(0.9, rows, facts["baseline"])
    assert "--budget 0.9: depth (1, 1) of <0>, BLEU 23.0, takes 0.80 of the deepest's time" in report.summary(
        "out", rows, facts
    )


def test_comet_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "comet", None)
    with pytest.raises(ValueError, match="^--comet some/model: needs the package unbabel-comet; pip install"):
        CometScorer("some/model", False)

    def predict(data, **options):
        assert data == [{"src": "s", "mt": "h", "ref": "r"}]
        return SimpleNamespace(system_score=0.81234)

    loaded = SimpleNamespace(predict=predict)
    package = SimpleNamespace(download_model=lambda name: f"got {name}", load_from_checkpoint=lambda path: loaded)
    monkeypatch.setitem(sys.modules, "comet", package)
    assert CometScorer("some/model", False)(["s"], ["h"], ["r"]) == {"comet": 0.8123}
