"""The tables of ``index.html``, as HTML."""

from html import escape
from typing import Callable, List, Sequence

from fairseq_flexdepth.cli.report.columns import FRONT, PAGE, Column, columns_of
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable

STRONG = 0.81  # a cell of a stronger colour has white text: readable up to here is black
SHARES = (1.0, 0.75, 0.5, 0.25)  # of the baseline's time, in budget_table


def front_table(table: SweepTable) -> str:
    """The rows on the Pareto front, the fastest first; the rows to recommend in yellow."""
    columns = columns_of(FRONT, table.rows)
    kinds = ["chosen" if row.chosen_as else "" for row in table.front]
    note = "The Pareto front: for every other depth pair, one of these is at least as good and at least as fast."
    return _rows_table(columns, table.front, kinds) + _note(note)


def every_depth_table(table: SweepTable) -> str:
    """All rows; the Pareto front in blue, the rows to recommend in yellow."""
    several = len(table.rows) > 1
    kinds = ["chosen" if row.chosen_as else "front" if row.pareto else "" for row in table.rows]
    legend = "Blue: the Pareto front. Yellow: the depth pairs to use, by the last column."
    body = _rows_table(columns_of(PAGE, table.rows), table.rows, kinds if several else [""])
    return body + (_note(legend) if several else "")


def budget_table(table: SweepTable) -> str:
    """For several models: the best row of each model within several time limits, one of them ``--budget``."""
    lines = []
    for share in sorted({*SHARES, *([] if table.budget is None else [table.budget])}, reverse=True):
        best = [table.best_within(share, system) for system in table.systems]
        cells = ["–" if row is None else f"{row.score:.1f} &nbsp;{row.pair_text}" for row in best]
        lines.append("".join(f"<td>{cell}</td>" for cell in (f"{share:g}", *cells)))
    header = "".join(f"<th>{title}</th>" for title in ("within relative time", *_names(table)))
    caption = f"<p>The best {table.measure.title} of each model within a relative time, and its depth pair:</p>\n"
    return caption + _table(header, lines)


def comparison_table(table: SweepTable) -> str:
    """For several models: one line per depth pair, quality and relative time of each model."""
    cells = {(row.system, row.pair): row for system in table.systems for row in table.by_depth(system)}
    lines = []
    for pair in sorted({row.pair for row in table.rows}):
        rows = [cells.get((system, pair)) for system in table.systems]
        quality = ["–" if row is None else f"{row.score:.1f}" for row in rows]
        times = ["–" if row is None else f"{row.relative_seconds:.2f}" for row in rows]
        lines.append("".join(f"<td>{cell}</td>" for cell in (f"({pair[0]}, {pair[1]})", *quality, *times)))
    titles = [f"{title}<br>{name}" for title in (table.measure.title, "relative time") for name in _names(table)]
    return _table("".join(f"<th>{title}</th>" for title in ("depth pair", *titles)), lines)


def heatmaps(table: SweepTable, system: str) -> str:
    """Quality and speed-up of one of the table's systems by both depths; "" if it has one depth pair."""
    own = table.by_depth(system)
    if len(own) == 1:
        return ""
    title = f"<p><b>{escape(own[0].model)}</b></p>" if len(table.systems) > 1 else ""
    quality = _heatmap(
        f"{table.measure.title} (chrF below)", own, table, lambda row: table.measure.gain(row.score),
        lambda row: f"{row.score:.1f}<small>{row.chrf:.1f}</small>", "blue",
    )  # fmt: skip
    speed = _heatmap(
        "speed-up (sentences/s below)", own, table, lambda row: row.speedup,
        lambda row: f"{row.speedup:.2f}×<small>{row.sentences_per_second:,.1f}</small>", "green",
    )  # fmt: skip
    note = _note(
        "One row per encoder depth, one column per decoder depth; a stronger colour is better."
        '<span class="with-scripts" hidden> Choose a cell to read its translations.</span>'
    )
    return f'{title}<div class="maps">{quality}{speed}</div>{note}'


def _names(table: SweepTable) -> List[str]:
    """The models' short names, in the order of ``--path``."""
    return [escape(table.of_model(system)[0].model) for system in table.systems]


def _note(text: str) -> str:
    return f'\n<p class="quiet">{text}</p>'


def _rows_table(columns: Sequence[Column], rows: Sequence[SweepRow], kinds: Sequence[str]) -> str:
    """A table of *rows*; *kinds* are their CSS classes."""

    def cell(tag: str, column: Column, content: str, title: str = "") -> str:
        attributes = (' class="text"' if column.text else "") + (f' title="{escape(title)}"' if title else "")
        return f"<{tag}{attributes}>{escape(content)}</{tag}>"

    header = "".join(cell("th", column, column.title, column.unit) for column in columns)
    lines = ["".join(cell("td", column, column.cell(row)) for column in columns) for row in rows]
    return _table(header, lines, kinds)


def _table(header: str, lines: Sequence[str], kinds: Sequence[str] = ()) -> str:
    """A table.

    Args:
        header: the cells of the header, as HTML.
        lines: the cells of each line, as HTML.
        kinds: a CSS class for each line.
    """
    body = [f'<tr class="{kind}">{line}</tr>' for kind, line in zip(kinds or [""] * len(lines), lines)]
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{header}</tr></thead>\n<tbody>'
        + "\n".join(body)
        + "</tbody></table></div>"
    )


def _heatmap(
    caption: str,
    rows: Sequence[SweepRow],
    table: SweepTable,
    value: Callable[[SweepRow], float],
    text: Callable[[SweepRow], str],
    colour: str,
) -> str:
    """A table with one row per encoder depth and one column per decoder depth, coloured by *value*.

    Args:
        caption: the title.
        rows: the rows of one model.
        table: all rows: their lowest and highest value get the weakest and the strongest colour.
        value: computes the value of a row, higher for a better one.
        text: the content of a row's cell, as HTML.
        colour: ``blue`` or ``green``, see page.css.
    """
    by_pair = {row.pair: row for row in rows}
    encoder, decoder = (sorted({pair[side] for pair in by_pair}) for side in (0, 1))
    low, high = min(map(value, table.rows)), max(map(value, table.rows))
    numbers = {row.translations: number for number, row in enumerate(table.rows)}
    lines = ["<tr><td></td>" + "".join(f'<th scope="col">{m}</th>' for m in decoder) + "</tr>"]
    for n in encoder:
        cells = []
        for m in decoder:
            row = by_pair.get((n, m))
            if row is None:
                cells.append("<td></td>")
                continue
            strength = (value(row) - low) / (high - low) if high > low else 0.0
            kind = f"{colour} strong" if strength > STRONG else colour
            cells.append(
                f'<td class="{kind}" style="--strength:{0.06 + 0.94 * strength:.2f}" '
                f'data-row="{numbers[row.translations]}"><span>{text(row)}</span></td>'
            )
        lines.append(f'<tr><th scope="row">{n}</th>{"".join(cells)}</tr>')
    return f'<div class="scroll"><table class="map"><caption>{caption}</caption>' + "\n".join(lines) + "</table></div>"
