"""Write a recipe's table, measured values beside the paper's, as Markdown and as a picture.

    python -m recipes.common.table TABLE.tsv --work FOLDER --column 'NAME=CELL' ... --output FOLDER/NAME

TABLE.tsv is the paper's table. CELL defines the measured values of column NAME (recipes/common/cells.py); with an empty
CELL only the paper's values are printed. '+NAME=CELL' adds a measured column that the paper's table lacks. Columns that
are not given name the rows; "system" and those that begin with "_" are not printed. Rows without any measured value are
left out and counted, except rows with an empty "system", which the paper quotes from others. Columns without any
measured value are left out and listed below the table.

Where several seeds were measured, values are means ± sample standard deviations. BLEU that differs significantly from
the baseline that its cell declares, "CELL vs CELL" or "CELL - CELL", has a mark (recipes/common/significance.py). So
has the quality of a system that had not converged when its training ended (recipes/common/convergence.py).
"""

import argparse
import csv
import logging
import math
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from recipes.common import convergence
from recipes.common.cells import Measurements
from recipes.common.figure import pyplot, save_figure
from recipes.common.markdown import markdown_table
from recipes.common.significance import LEVEL, MARK, SAMPLES, SEED, Comparison, compare


class Column(NamedTuple):
    """A column of values: the paper's, measured ones, or both."""

    name: str
    digits: int  # decimals, as many as the paper prints
    paper: List[Optional[float]]
    measured: List[Optional[float]]
    deviations: List[Optional[float]]  # of the measured values, over the seeds
    comparisons: List[Optional[Comparison]]  # of the measured values with their baselines
    unfinished: List[List[str]]  # the trainings of each measured value that had not converged

    @property
    def measured_digits(self) -> int:
        """Decimals of measured values: as many as the paper prints; if none, enough for three significant digits."""
        largest = max((abs(value) for value in self.measured if value is not None), default=0.0)
        return max(0, 2 - math.floor(math.log10(largest))) if largest and not self.digits else self.digits

    @property
    def parts(self) -> Dict[str, List[str]]:
        """The printed columns, by title: measured values, the paper's, or both."""
        title = _title(self.name)
        paper = [_text(value, self.digits) for value in self.paper]
        measured = [
            _text(value, self.measured_digits, deviation)
            + (MARK if comparison and comparison.significant else "")
            + (convergence.MARK if trainings and value is not None else "")
            for value, deviation, comparison, trainings in zip(
                self.measured, self.deviations, self.comparisons, self.unfinished
            )
        ]
        if not any(paper):
            return {title: measured}
        if not any(measured):
            return {f"{title}, paper": paper}
        return {title: measured, "paper": paper}


class Table(NamedTuple):
    """A table of measured values beside the paper's."""

    names: Dict[str, List[str]]  # the columns that name the rows
    columns: List[Column]
    left_out: int  # number of the paper's rows that were left out
    unmeasured: List[str]  # names of the columns that were left out


def read_table(path: Path, cells: Dict[str, str], measurements: Measurements) -> Table:
    """Read the paper's table and add the measured values.

    Args:
        path: the paper's table, in tab-separated values.
        cells: a cell per column.
        measurements: the measured values.

    Raises:
        ValueError: a cell is given for a column that the table lacks, or no cell was measured.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        rows, names = list(reader), list(reader.fieldnames or [])
    added = [name[1:] for name in cells if name.startswith("+")]
    cells = {name.lstrip("+"): cell for name, cell in cells.items()}
    unknown = sorted(set(cells) - set(names) - set(added))
    if unknown:
        raise ValueError(f"--column {unknown[0]}: not in {path.name}; its columns are {', '.join(names)}")
    measured = [
        {name: measurements.value(cell, row) for name, cell in cells.items() if cell and row.get("system") != ""}
        for row in rows
    ]
    found = [any(value is not None for value in values.values()) for values in measured]
    kept = [number for number, row in enumerate(rows) if found[number] or row.get("system") == ""]
    if not any(found):
        raise ValueError(f"--work {measurements.work}: nothing of {path.name} was measured there")
    unmeasured = [name for name, cell in cells.items() if cell and all(values.get(name) is None for values in measured)]
    cells = {name: cell for name, cell in cells.items() if name not in unmeasured}
    digits = {name: max(_digits(row.get(name) or "") for row in rows) for name in cells}
    most = max(digits[name] for name in cells if name not in added) if len(added) < len(cells) else 2
    columns = [
        Column(
            name,
            digits[name] if any(row.get(name) for row in rows) else most,
            [_number(rows[number].get(name)) for number in kept],
            [measured[number].get(name) for number in kept],
            *_spread(cells[name], [rows[number] for number in kept], measurements),
        )
        for name in [*(name for name in names if name in cells), *(name for name in added if name in cells)]
    ]
    keys = [name for name in names if name not in (*cells, *unmeasured, "system") and not name.startswith("_")]
    papers = {number for number, row in enumerate(rows) if any(row.get(name) for name in cells)}
    return Table(
        {key: [rows[number][key] for number in kept] for key in keys}, columns, len(papers - set(kept)), unmeasured
    )


def _spread(
    cell: str, rows: List[Dict[str, str]], measurements: Measurements
) -> Tuple[List[Optional[float]], List[Optional[Comparison]], List[List[str]]]:
    """Return the standard deviation of a cell in every row, its comparison, and its trainings without convergence."""
    ours = [bool(cell) and row.get("system") != "" for row in rows]
    return (
        [measurements.deviation(cell, row) if made else None for made, row in zip(ours, rows)],
        [compare(measurements, cell, row) if made else None for made, row in zip(ours, rows)],
        [convergence.not_converged(measurements, cell, row) if made else [] for made, row in zip(ours, rows)],
    )


def _number(text: Optional[str]) -> Optional[float]:
    return float(text) if text else None


def _digits(text: str) -> int:
    return len(text.partition(".")[2])


def markdown(table: Table) -> str:
    """Return the table as Markdown, with two columns where there are measured values and the paper's."""
    parts = [(title, texts) for column in table.columns for title, texts in column.parts.items()]
    heads = [*table.names, *(title for title, _ in parts)]
    rows = [[*names, *(texts[number] for _, texts in parts)] for number, names in enumerate(zip(*table.names.values()))]
    return markdown_table(heads, rows, "l" * len(table.names) + "r" * len(parts))


def _title(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Optional[float], digits: int, deviation: Optional[float] = None) -> str:
    if value is None:
        return ""
    return f"{value:,.{digits}f}" + ("" if deviation is None else f" ± {deviation:,.{digits}f}")


def draw(table: Table, path: Path) -> None:
    """Draw one panel per column and one line per row: filled dots are measured values, open ones the paper's."""
    labels = [" ".join(filter(None, parts)) for parts in zip(*table.names.values())]
    height = 1.2 + 0.24 * len(labels)
    figure, panels = pyplot().subplots(
        1, len(table.columns), sharey=True, squeeze=False, figsize=(3 + 2.6 * len(table.columns), height)
    )
    places = range(len(labels))
    for column, axes in zip(table.columns, panels[0]):
        for values, face in ((column.paper, "none"), (column.measured, "C0")):
            points = [(value, place) for value, place in zip(values, places) if value is not None]
            if points:
                axes.scatter(*zip(*points), facecolors=face, edgecolors="C0")
        spread = [
            (value, place, deviation)
            for value, place, deviation in zip(column.measured, places, column.deviations)
            if value is not None and deviation is not None
        ]
        if spread:
            middles, rows, deviations = zip(*spread)
            axes.errorbar(middles, rows, xerr=deviations, fmt="none", ecolor="C0")
        axes.set_title(_title(column.name), fontsize=9)
        axes.grid(axis="y", alpha=0.3)
    panels[0][0].set_yticks(list(places))
    panels[0][0].set_yticklabels(labels, fontsize=8)
    panels[0][0].invert_yaxis()
    for face, label in (("none", "paper"), ("C0", "measured")):
        panels[0][0].scatter([], [], facecolors=face, edgecolors="C0", label=label)
    panels[0][0].legend(fontsize=7)
    save_figure(figure, path)


def _notes(table: Table, measurements: Measurements, args: argparse.Namespace) -> str:
    notes = [f"SCALE={args.scale}, data: {args.data}."]
    if table.left_out:
        notes.append(f"{table.left_out} rows of the paper's table were not made at this scale.")
    if table.unmeasured:
        notes.append(f"Its columns that were not measured at this scale: {', '.join(map(_title, table.unmeasured))}.")
    if args.note:
        notes.append(args.note)
    if measurements.most_seeds > 1:
        notes.append(f"Means ± sample standard deviations over {measurements.most_seeds} seeds.")
    notes += significance_notes(table, measurements.most_seeds)
    unfinished = {one for column in table.columns for trainings in column.unfinished for one in trainings}
    if unfinished:
        notes.append(convergence.note(sorted(unfinished)))
    notes += [f"sacrebleu: `{signature}`." for signature in sorted(measurements.signatures)]
    return " ".join(notes)


def significance_notes(table: Table, seeds: int) -> List[str]:
    """Explain the mark: the test, and the baseline of each column; count the values that could not be tested."""
    by_baseline: Dict[str, List[str]] = {}
    for column in table.columns:
        tested = [found for found in column.comparisons if found and found.tested]
        baselines = dict.fromkeys(found.baseline for found in tested)
        if len(baselines) > 6:
            baselines = dict.fromkeys(found.pattern for found in tested)
        if baselines:
            listed = ", ".join(f"`{baseline}`" for baseline in baselines)
            by_baseline.setdefault(listed, []).append(_title(column.name))
    notes = []
    if by_baseline:
        listed = "; ".join(f"{', '.join(titles)}: {names}" for names, titles in by_baseline.items())
        every = "for every seed, in the same direction, " if seeds > 1 else ""
        notes.append(
            f"{MARK} BLEU differs from the baseline's, {every}with p < {LEVEL} by sacrebleu's paired bootstrap test "
            f"({SAMPLES:,} samples, seed {SEED}). Baselines: {listed}."
        )
    untested = sum(not found.tested for column in table.columns for found in column.comparisons if found)
    if untested:
        notes.append(f"Values not tested, since their translations are missing or have another BLEU: {untested}.")
    return notes


def main() -> None:
    """Write the table and the picture, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, metavar="TABLE.tsv")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="folder of all systems")
    parser.add_argument("--column", action="append", required=True, metavar="NAME=CELL")
    parser.add_argument("--value", action="append", default=[], metavar="NAME=VALUE", help="value of {NAME} in cells")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER/NAME", help="without .md and .png")
    parser.add_argument("--scale", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--note", default="", help="sentences printed below the table")
    args = parser.parse_args()
    logging.getLogger("sacrebleu").setLevel(logging.WARNING)  # it logs every step of a test
    measurements = Measurements(args.work, dict(value.split("=", 1) for value in args.value))
    cells = dict(column.split("=", 1) for column in args.column)
    table = read_table(args.table, cells, measurements)
    text = f"{markdown(table)}\n\n{_notes(table, measurements, args)}\n"
    Path(f"{args.output}.md").write_text(text, encoding="utf-8")
    draw(table, Path(f"{args.output}.png"))
    print(text, end="")


if __name__ == "__main__":
    main()
