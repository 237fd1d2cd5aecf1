"""The rows, tables and files of a sweep, most of them from made-up rows."""

import csv
import dataclasses
import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List
from unittest import mock

import pytest

from fairseq_flexdepth.cli.machine_load import describe_load
from fairseq_flexdepth.cli.report import pareto_plot
from fairseq_flexdepth.cli.report.columns import COLUMNS, Place, columns_of, file_values
from fairseq_flexdepth.cli.report.facts import command_of, row_facts
from fairseq_flexdepth.cli.report.files import csv_text
from fairseq_flexdepth.cli.report.terminal import summary
from fairseq_flexdepth.corpus.engine import ModelDepth
from fairseq_flexdepth.corpus.quality import BLEU, WER
from fairseq_flexdepth.corpus.scores import CometScorer
from fairseq_flexdepth.corpus.sweep import SweepResults
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable, short_names
from fairseq_flexdepth.depth.supported_depths import parse_pairs
from tests.made_up_sweep import page_of, table_and_facts

# Programs read these keys, and CSV by position: the order must stay.
KEYS = [
    "path", "enc_layers", "dec_layers", "bleu", "chrf", "comet", "seconds", "relative_seconds", "sentences_per_second",
    "words_per_second", "seconds_min", "seconds_max", "repeats", "sentences", "beam", "translations", "bleu_signature",
    "chrf_signature", "pareto", "best_within_budget", "bleu_mean", "bleu_interval", "bleu_p_value", "chrf_mean",
    "chrf_interval", "chrf_p_value", "fastest_not_worse", "fastest_within_loss", "quantization", "latency_p50_ms",
    "latency_p95_ms",
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
    split = SimpleNamespace(paths=["m.pt"], dataset=[0] * 4, cfg=cfg, bleu_text=None, wer=None, source_is_text=True)
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


def test_latency_is_measured_one_sentence_at_a_time() -> None:
    results = decoded()
    assert not results.one_by_one
    assert {row.latency_p50_ms for row in scored().rows} == {None}
    times: Any = [[[[seconds, 9.0, 0.0], ["text"]], [[1.0, 1.0, 1.0], ["text"]]] for seconds in (0.1, 0.2, 0.3, 0.5)]
    alone = SweepResults(results.sweep, [[0], [2], [1], [3]], times)
    row, other = alone.table(["s"] * 4, ["a b"] * 4).rows
    assert (row.latency_p50_ms, row.latency_p95_ms) == (250.0, 470.0)  # of the medians 100, 200, 300 and 500
    assert (other.latency_p50_ms, other.latency_p95_ms) == (1000.0, 1000.0)
    assert list(file_values([row, other])[0])[-2:] == KEYS[-2:]


@pytest.mark.parametrize(
    "average, threads, busy",
    [(None, 2, False), (0.4, 2, False), (0.6, 2, True), (1.4, 1, False), (1.6, 1, True), (0.3, 8, False)],
)
def test_a_busy_machine(average: Any, threads: int, busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert describe_load(average, threads) == {"average": average, "cores": 2, "threads": threads, "busy": busy}


def test_types_of_weights_are_compared_like_models() -> None:
    rows = [
        dataclasses.replace(row, quantization=quantization, model=quantization)
        for quantization in ("float32", "int8")
        for row in table_and_facts([(2, 1)])[0].rows
    ]
    table = SweepTable(rows, 1)
    assert table.systems == ["runs/<0>/last.pt float32", "runs/<0>/last.pt int8"]
    assert table.label(rows[2]) == "(1, 1) of int8"
    assert [row.pair for row in table.by_depth(table.systems[1])] == [(1, 1), (2, 1)]
    assert "model" in {column.key for column in columns_of(Place.PAGE, rows)}
    assert file_values(rows)[0]["quantization"] == "float32"
    chosen: Any = row_facts(rows[3])
    assert chosen["quantization"] == "int8"
    models = [{"path": rows[0].path, "has_depths": True}]
    facts: Any = {"models": models, "data": "bin", "settings": {"subnetworks": "seq"}}
    assert command_of(facts, rows[3]) == (
        "fairseq-flexdepth export --path 'runs/<0>/last.pt' --data bin --enc-layers 2 --dec-layers 1 "
        "--subnetworks seq --format ctranslate2 --quantization int8 --output e2d1-int8"
    )


def test_keys_of_the_files_keep_their_order() -> None:
    with_everything = scored(comet=lambda texts, references: {"comet": 0.5}, budget=0.5, max_loss=1)
    plain = [key for key in KEYS[:-3] if key not in ("comet", "best_within_budget", "fastest_within_loss")]
    for table, keys in ((with_everything, KEYS[:-3]), (scored(), plain)):
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


def test_the_front_and_the_best_row_of_a_model() -> None:
    table, _ = table_and_facts([(3, 2), (1, 1), (2, 2)], budget=None)
    assert [row.pair for row in table.front] == [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2)]
    assert [row for row in table.rows if row.pareto] == sorted(table.front, key=lambda row: row.pair)
    assert {row.best_within_budget for row in table.rows} == {None}
    found = [table.best_within(0.7, system) for system in table.systems]
    assert [None if row is None else row.pair for row in found] == [(3, 1), (1, 1), (2, 1)]
    assert table.best_within(0.1) is None


def test_the_rows_to_recommend() -> None:
    table, facts = table_and_facts([(3, 3)])
    assert [row.pair for row in table.rows if row.chosen_as] == [(1, 2), (2, 2), (3, 1)]
    not_worse, within_loss, within_budget = (row for row in table.rows if row.chosen_as)
    assert (not_worse.chosen_as, not_worse) == ("fastest not worse", table.not_worse)  # BLEU 25 of 29, p 0.06
    assert (within_loss.chosen_as, within_loss) == ("fastest within loss", table.within_loss)
    assert (within_budget.chosen_as, within_budget) == ("best within budget", table.within_budget)
    names = "not_worse", "max_loss", "budget"
    keys = {"path", "enc_layers", "dec_layers", "bleu", "bleu_p_value", "relative_seconds"}
    found: Any = [facts[name] for name in names]  # type: ignore[literal-required]
    assert (found[1]["bleu"], found[2]["share"]) == (3.0, 0.5)
    best = [found[0], found[1]["fastest"], found[2]["best"]]
    assert all(set(row) == keys for row in best)
    assert [(row["enc_layers"], row["dec_layers"]) for row in best] == [(1, 2), (2, 2), (3, 1)]


def test_low_word_error_rates_are_chosen_as_high_bleu_is() -> None:
    for sizes in ([(3, 3)], [(3, 2), (1, 1), (2, 2)]):
        by_bleu, by_wer = (table_and_facts(sizes, measure=measure)[0] for measure in (BLEU, WER))
        for one, other in zip(by_bleu.rows, by_wer.rows):
            assert (one.pareto, one.chosen_as, one.significantly_worse) == (
                other.pareto, other.chosen_as, other.significantly_worse
            )  # fmt: skip
            assert (one.loss, one.difference, one.difference) == (other.loss, -other.difference, one.bleu_difference)
            assert (other.bleu, other.wer, other.wer_difference) == (None, other.score, other.difference)
        shares = [(share, path) for share in (0.3, 0.7, 1.0) for path in (None, *by_bleu.systems)]
        found = [[table.best_within(*given) for given in shares] for table in (by_bleu, by_wer)]
        for ours, theirs in zip(*found):
            assert (ours and ours.translations) == (theirs and theirs.translations)


def test_a_report_of_word_error_rates(tmp_path: Path) -> None:
    table, facts = table_and_facts([(3, 3)], measure=WER)
    text = page_of([(3, 3)], measure=WER)
    for words in (
        "the deepest depth pair: WER 71.0 in", "use <b>(3, 1)</b>, which raises WER by 4.0.", "Plot of WER against",
        "WER (chrF below)", "<dt>WER</dt><dd>word error rate, edits per 100 words", "Higher WER with p &lt; 0.05",
    ):  # fmt: skip
        assert words in text, words
    assert "BLEU" not in text
    # The lowest error rate has the strongest colour, the highest the weakest.
    strengths = re.findall(r'class="blue[^>]*--strength:([\d.]+)"[^>]*><span>([\d.]+)<', text)
    assert sorted(strengths) == sorted(strengths, key=lambda cell: -float(cell[1]))
    assert (facts["wer_signature"], facts["bleu_signature"]) == ("b", None)
    assert facts["max_loss"] is not None and facts["max_loss"]["wer"] == 3.0
    assert "BLEU" not in summary("out", table, facts)
    assert "fastest that is not significantly worse: depth pair (1, 2): WER 75.0 in" in summary("out", table, facts)
    rows = file_values(table.rows)
    assert [key for key in rows[0] if "wer" in key] == [
        "wer", "wer_signature", "wer_mean", "wer_interval", "wer_p_value"
    ]  # fmt: skip
    assert not any("bleu" in key for key in rows[0])
    axes: List[Any] = []
    with mock.patch.object(pareto_plot, "save_figure", lambda figure, path: axes.append(figure.axes[0])):
        for measure in (BLEU, WER):
            pareto_plot.draw_pareto(table_and_facts([(3, 3)], measure=measure)[0], str(tmp_path / "pareto.png"))
    assert [one.yaxis_inverted() for one in axes] == [False, True]  # better is higher up
    assert [one.get_ylabel() for one in axes] == ["BLEU", "WER"]


def test_higher_bleu_is_never_worse() -> None:
    table, _ = table_and_facts([(1, 1), (2, 1)])  # the second model's row has a higher BLEU with p 0.04
    assert [row.significantly_worse for row in table.rows] == [False] * 3
    assert table.not_worse is table.baseline
    assert table.shallowest is table.baseline


def test_csv_has_the_rows() -> None:
    rows = file_values(table_and_facts([(2, 2)])[0].rows)
    found = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert [{key: str(value) for key, value in row.items()} for row in rows] == found


def test_the_table_on_the_terminal() -> None:
    table, facts = table_and_facts([(2, 1), (1, 1)])
    lines = summary("out", table, facts).splitlines()
    assert [line.count("|") for line in lines[:5]] == [12] * 5
    assert lines[6] == "--budget 0.5: no depth pair is that fast"
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
