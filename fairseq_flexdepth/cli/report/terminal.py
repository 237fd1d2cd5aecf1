"""The text that ``sweep`` prints: a Markdown table of the rows, and the depth pairs to recommend."""

import os
from typing import List, Optional

from fairseq_flexdepth.cli.markdown import aligned_table
from fairseq_flexdepth.cli.report.columns import TERMINAL, columns_of
from fairseq_flexdepth.cli.report.facts import Facts
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable


def summary(folder: str, table: SweepTable, facts: Facts) -> str:
    """The Markdown table, the depth pairs to recommend, and the path of the page.

    Args:
        folder: the folder of the report.
        table: all rows.
        facts: the content of ``report.json``.
    """
    lines = markdown_table(table)
    lines += _recommendations(table)
    if facts["skipped"]:
        lines.append(f"{facts['skipped']} sentences were too long to decode; they are scored as empty translations")
    lines.append(f"{os.path.join(folder, 'index.html')}: the report")
    return "\n".join(lines)


def markdown_table(table: SweepTable) -> List[str]:
    """The lines of a Markdown table of all rows, with aligned columns."""
    columns = columns_of(TERMINAL, table.rows)
    cells = [[column.title for column in columns], *([column.cell(row) for column in columns] for row in table.rows)]
    return aligned_table(cells, [column.text for column in columns])


def _recommendations(table: SweepTable) -> List[str]:
    """One line per row to recommend: not significantly worse, within the budget, within the loss."""
    lines = []
    if len(table.rows) > 1:
        lines.append(f"fastest that is not significantly worse: {_result(table.not_worse, table)}")
    if table.budget is not None:
        lines.append(f"--budget {table.budget:g}: {_result(table.within_budget, table)}")
    if table.max_loss is not None:
        lines.append(f"--max-loss {table.max_loss:g}: {_result(table.within_loss, table)}")
    return lines


def _result(row: Optional[SweepRow], table: SweepTable) -> str:
    if row is None:
        return "no depth pair is that fast"
    return (
        f"depth pair {table.label(row)}: {row.measure.title} {row.score:.1f} in {row.relative_seconds:.2f} of the "
        "deepest depth pair's time"
    )
