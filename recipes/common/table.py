"""A recipe's table: what was measured beside what the paper prints, as Markdown and as a picture.

    python -m recipes.common.table TABLE.tsv --work FOLDER --column 'NAME=CELL' ... --output FOLDER/NAME

TABLE.tsv holds the paper's table. A CELL says where a column's measured values are (recipes/common/cells.py); columns
without one are the rows' names, and not printed if called "system" or "_...". Rows of which nothing was measured are
left out and counted, unless their "system" is empty: what others reported. Columns of which nothing was measured are
left out and named.
"""

import argparse
import csv
import math
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

from recipes.common.cells import Measurements
from recipes.common.figure import pyplot, save_figure


class Column(NamedTuple):
    """A column of the paper's table that is measured, too."""

    name: str
    digits: int  # behind the point, as many as the paper prints
    own_digits: int  # of what was measured; more where numbers are small
    paper: List[Optional[float]]
    measured: List[Optional[float]]


class Table(NamedTuple):
    """Rows by their names, and their values."""

    names: Dict[str, List[str]]
    columns: List[Column]
    left_out: int  # rows
    left_out_columns: List[str]


def read_table(path: Path, cells: Dict[str, str], measurements: Measurements) -> Table:
    """The paper's table with what was measured.

    Raises:
        ValueError: a cell is given for a column that the table lacks, or nothing at all was measured.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        rows, names = list(reader), list(reader.fieldnames or [])
    unknown = sorted(set(cells) - set(names))
    if unknown:
        raise ValueError(f"--column {unknown[0]}: {path.name} has {', '.join(names)}")
    quoted = [row.get("system") == "" for row in rows]
    measured = [
        {name: None if quote else measurements.value(cell, row) for name, cell in cells.items()}
        for row, quote in zip(rows, quoted)
    ]
    found = {name for values in measured for name, value in values.items() if value is not None}
    if not found:
        raise ValueError(f"--work {measurements.work}: nothing of {path.name} was measured there")
    kept = [number for number, values in enumerate(measured) if quoted[number] or set(values.values()) != {None}]
    columns = [
        _column(name, [row[name] for row in rows], [values[name] for values in measured], kept)
        for name in names
        if name in found
    ]
    keys = [name for name in names if name not in cells and name != "system" and not name.startswith("_")]
    return Table(
        {key: [rows[number][key] for number in kept] for key in keys},
        columns,
        len(rows) - len(kept),
        [name for name in names if name in cells and name not in found],
    )


def _column(name: str, paper: List[str], measured: List[Optional[float]], kept: List[int]) -> Column:
    digits = max(len(text.partition(".")[2]) for text in paper)
    largest = max(abs(value) for value in measured if value is not None)
    three_figures = 2 - math.floor(math.log10(largest)) if largest else 0
    return Column(
        name,
        digits,
        max(digits, three_figures),
        [float(paper[number]) if paper[number] else None for number in kept],
        [measured[number] for number in kept],
    )


def markdown(table: Table) -> str:
    """The table, two columns for each measured one."""
    heads = [*table.names, *(head for column in table.columns for head in (_title(column.name), "paper"))]
    lines = [_line(heads), _line(["---"] * len(table.names) + ["--:"] * (2 * len(table.columns)))]
    for number in range(len(next(iter(table.names.values())))):
        cells = [values[number] for values in table.names.values()]
        for column in table.columns:
            cells += [_text(column.measured[number], column.own_digits), _text(column.paper[number], column.digits)]
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _title(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Optional[float], digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def draw(table: Table, path: Path) -> None:
    """A panel for each column, a line for each row: filled dots are measured, open ones the paper's."""
    labels = [" ".join(filter(None, parts)) for parts in zip(*table.names.values())]
    height = 1.2 + 0.24 * len(labels)
    figure, panels = pyplot().subplots(
        1, len(table.columns), sharey=True, squeeze=False, figsize=(3 + 2.6 * len(table.columns), height)
    )
    places = range(len(labels))
    for column, axes in zip(table.columns, panels[0]):
        for values, face, label in ((column.paper, "none", "paper"), (column.measured, "C0", "measured")):
            points = [(value, place) for value, place in zip(values, places) if value is not None]
            if points:
                axes.scatter(*zip(*points), facecolors=face, edgecolors="C0", label=label)
        axes.set_title(_title(column.name), fontsize=9)
        axes.grid(axis="y", alpha=0.3)
    panels[0][0].set_yticks(list(places))
    panels[0][0].set_yticklabels(labels, fontsize=8)
    panels[0][0].invert_yaxis()
    panels[0][0].legend(fontsize=7)
    save_figure(figure, path)


def _notes(table: Table, measurements: Measurements, args: argparse.Namespace) -> str:
    notes = [f"SCALE={args.scale}, data: {args.data}."]
    if table.left_out:
        notes.append(f"{table.left_out} rows of the paper's table were not made at this scale.")
    if table.left_out_columns:
        notes.append(f"Columns of it that were not made at this scale: {', '.join(table.left_out_columns)}.")
    if args.note:
        notes.append(args.note)
    if measurements.most_seeds > 1:
        notes.append(f"Means over {measurements.most_seeds} seeds.")
    notes += [f"sacrebleu: `{signature}`." for signature in sorted(measurements.signatures)]
    return " ".join(notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, metavar="TABLE.tsv")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="where the systems are")
    parser.add_argument("--column", action="append", required=True, metavar="NAME=CELL")
    parser.add_argument("--value", action="append", default=[], metavar="NAME=VALUE", help="of {NAME}")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER/NAME", help="without .md and .png")
    parser.add_argument("--scale", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--note", default="", help="sentences below the table")
    args = parser.parse_args()
    measurements = Measurements(args.work, dict(value.split("=", 1) for value in args.value))
    cells = dict(column.split("=", 1) for column in args.column)
    table = read_table(args.table, cells, measurements)
    text = f"{markdown(table)}\n\n{_notes(table, measurements, args)}\n"
    Path(f"{args.output}.md").write_text(text, encoding="utf-8")
    draw(table, Path(f"{args.output}.png"))
    print(text, end="")


if __name__ == "__main__":
    main()
