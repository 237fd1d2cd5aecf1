"""The text that ``sweep`` prints: a Markdown table of the rows, and the best depth pair within the budget."""

import os
from typing import List

from fairseq_flexdepth.cli.markdown import aligned_table
from fairseq_flexdepth.cli.report.columns import TERMINAL, columns_of
from fairseq_flexdepth.cli.report.facts import Facts
from fairseq_flexdepth.corpus.sweep_rows import SweepTable


def summary(folder: str, table: SweepTable, facts: Facts) -> str:
    """The Markdown table, the best depth pair within the budget, and the path of the page.

    Args:
        folder: the folder of the report.
        table: all rows.
        facts: the content of ``report.json``.
    """
    lines = markdown_table(table)
    if table.budget is not None:
        lines.append(_budget_sentence(table))
    if facts["skipped"]:
        lines.append(f"{facts['skipped']} sentences were too long to decode; they are scored as empty translations")
    lines.append(f"{os.path.join(folder, 'index.html')}: the report")
    return "\n".join(lines)


def markdown_table(table: SweepTable) -> List[str]:
    """The lines of a Markdown table of all rows, with aligned columns."""
    columns = columns_of(TERMINAL, table.rows)
    cells = [[column.title for column in columns], *([column.cell(row) for column in columns] for row in table.rows)]
    return aligned_table(cells, [column.text for column in columns])


def _budget_sentence(table: SweepTable) -> str:
    row = table.within_budget
    if row is None:
        return f"--budget {table.budget:g}: no depth pair is that fast"
    model = f" of {row.model}" if len(table.paths) > 1 else ""
    return (
        f"--budget {table.budget:g}: depth pair {row.pair_text}{model}: BLEU {row.bleu:.1f} in "
        f"{row.relative_seconds:.2f} of the deepest depth pair's time"
    )
