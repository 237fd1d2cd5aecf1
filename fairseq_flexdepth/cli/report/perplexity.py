"""The report of a sweep of language models: the table, ``sweep.json``, ``sweep.csv`` and the plot."""

import json
import os
from typing import Any, Dict, List, Sequence

from fairseq_flexdepth.cli.markdown import aligned_table
from fairseq_flexdepth.cli.report.columns import (
    COUNT,
    FILES,
    TERMINAL,
    Column,
    columns_of,
    file_values,
)
from fairseq_flexdepth.cli.report.files import csv_text
from fairseq_flexdepth.cli.report.pareto_plot import COLOURS, SHAPES, finish_axes, write_labels
from fairseq_flexdepth.corpus.language_model_sweep import LanguageModelRow
from fairseq_flexdepth.files.outputs import publish, save_figure, staging, write_whole

Rows = Sequence[LanguageModelRow]

# In the order in which files and the table show them. The order in sweep.json and sweep.csv must stay.
COLUMNS = (
    Column("path", FILES),
    Column("dec_layers", FILES | TERMINAL, "decoder"),
    Column("perplexity", FILES | TERMINAL, "perplexity", format="{:,.2f}".format),
    Column("nll_loss", FILES | TERMINAL, "bits/token", format="{:.3f}".format),
    Column("seconds", FILES | TERMINAL, "seconds", format="{:,.2f}".format),
    Column("relative_seconds", FILES | TERMINAL, "relative", format="{:.2f}".format),
    Column("tokens_per_second", FILES | TERMINAL, "tokens/s", format=COUNT),
    Column("seconds_min", FILES),
    Column("seconds_max", FILES),
    Column("repeats", FILES),
    Column("tokens", FILES),
    Column("pareto", FILES),
    Column("best_within_budget", FILES),
    Column("model", TERMINAL, "model", text=True),
    Column("choice", TERMINAL, "choice", text=True),
)


def json_text(rows: Rows) -> str:
    """The rows as ``sweep.json`` holds them."""
    return json.dumps(file_values(rows, COLUMNS), indent=1)


def table_text(rows: Rows) -> str:
    """The rows as a Markdown table."""
    columns = columns_of(TERMINAL, rows, COLUMNS)
    cells = [[column.title for column in columns], *([column.cell(row) for column in columns] for row in rows)]
    return "\n".join(aligned_table(cells, [column.text for column in columns]))


def write_report(folder: str, rows: Rows, facts: Dict[str, Any]) -> None:
    """Write all files; a report is complete if it has ``sweep.json``.

    Args:
        folder: the folder of the report.
        rows: the rows.
        facts: the content of ``report.json``.
    """
    os.makedirs(folder, exist_ok=True)
    with staging(os.path.join(folder, "unfinished")) as staged:
        draw(rows, os.path.join(staged, "pareto.png"))
        write_whole(os.path.join(staged, "sweep.csv"), csv_text(file_values(rows, COLUMNS)))
        write_whole(os.path.join(staged, "report.json"), json.dumps(facts, indent=1) + "\n")
        write_whole(os.path.join(staged, "sweep.json"), json_text(rows) + "\n")
        publish(staged, folder, last="sweep.json")


def draw(rows: Rows, path: str) -> None:
    """Draw perplexity against relative time to the PNG file *path*, the Pareto front filled and labelled."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.6, 5.2))
    front = sorted((row.relative_seconds, row.perplexity, row.dec_layers) for row in rows if row.pareto)
    axes.step([point[0] for point in front], [point[1] for point in front], where="post", color="#999999", linewidth=1)
    models: List[str] = list(dict.fromkeys(row.model for row in rows))
    for number, model in enumerate(models):
        colour, own = COLOURS[number % len(COLOURS)], [row for row in rows if row.model == model]
        axes.scatter(
            [row.relative_seconds for row in own], [row.perplexity for row in own], s=34, linewidths=1.2, zorder=3,
            marker=SHAPES[number % len(SHAPES)], edgecolors=colour, label=model,
            facecolors=[colour if row.pareto else "white" for row in own],
        )  # fmt: skip
    finish_axes(axes, "scoring time relative to the deepest depth", "perplexity")
    if len(models) > 1:
        axes.legend(loc="upper right", fontsize=9, frameon=True)
    figure.tight_layout()
    points = [(row.relative_seconds, row.perplexity) for row in rows]
    write_labels(axes, [point[:2] for point in front], [str(point[2]) for point in front], points)
    save_figure(figure, path)
