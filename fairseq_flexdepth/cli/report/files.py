"""Writing the files of a report: rows, facts, translations, pictures and the page."""

import csv
import glob
import io
import json
import os
from typing import TYPE_CHECKING, List, Mapping, Sequence

from fairseq_flexdepth.cli.report.columns import file_values
from fairseq_flexdepth.cli.report.facts import Facts, command_of
from fairseq_flexdepth.cli.report.heatmap import draw_sweep_heatmap
from fairseq_flexdepth.cli.report.page import page
from fairseq_flexdepth.cli.report.pareto_plot import draw_pareto
from fairseq_flexdepth.cli.report.texts import Texts
from fairseq_flexdepth.files.outputs import publish, staging, write_whole

if TYPE_CHECKING:
    from fairseq_flexdepth.corpus.sweep import SweepResults
    from fairseq_flexdepth.corpus.sweep_rows import SweepTable

# Files that an earlier sweep may have written and this one may not replace.
STALE_FILES = ("e[0-9]*d[0-9]*.txt", "system-[0-9]*/e[0-9]*d[0-9]*.txt", "heatmap-[0-9]*.png")


def write_report(
    folder: str, results: "SweepResults", table: "SweepTable", facts: Facts, source: List[str], reference: List[str]
) -> None:
    """Write all files, replacing those of an earlier report; a report is complete if it has ``sweep.json``.

    Args:
        folder: the folder of the report.
        results: the translations.
        table: the rows.
        facts: the content of ``report.json``.
        source: all source sentences.
        reference: their references.
    """
    translations = {row.translations: results.translations(position) for position, row in enumerate(table.rows)}
    texts = Texts(source, reference, translations)
    with staging(os.path.join(folder, "unfinished")) as staged:
        _write_texts(staged, texts)
        _write_pictures(staged, table)
        commands = {row.translations: command_of(facts, row) for row in table.rows}
        with open(os.path.join(staged, "pareto.png"), "rb") as picture:
            whole = page(table, facts, commands, picture.read(), texts)
        write_whole(os.path.join(staged, "index.html"), whole)
        rows = file_values(table.rows)
        write_whole(os.path.join(staged, "sweep.csv"), csv_text(rows))
        write_whole(os.path.join(staged, "report.json"), json.dumps(facts, indent=1) + "\n")
        write_whole(os.path.join(staged, "sweep.json"), json.dumps(rows, indent=1) + "\n")
        stale = [path for name in STALE_FILES for path in glob.glob(os.path.join(glob.escape(folder), name))]
        publish(staged, folder, last="sweep.json", stale=stale)


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows of ``sweep.json`` as CSV with a header."""
    output = io.StringIO()
    writer = csv.DictWriter(output, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return output.getvalue()


def _write_texts(folder: str, texts: Texts) -> None:
    """Write sources, references and the translations of all rows, one sentence per line."""
    lines = {"source.txt": texts.source, "reference.txt": texts.reference, **texts.translations}
    for name, sentences in lines.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, "".join(f"{sentence}\n" for sentence in sentences))


def _write_pictures(folder: str, table: "SweepTable") -> None:
    """Draw one heatmap per model, and the plot of quality against time."""
    for number, system in enumerate(table.systems, start=1):
        name = "heatmap.png" if number == 1 else f"heatmap-{number}.png"
        draw_sweep_heatmap(table.by_depth(system), os.path.join(folder, name))
    draw_pareto(table, os.path.join(folder, "pareto.png"))
