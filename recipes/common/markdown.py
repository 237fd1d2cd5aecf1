"""Markdown tables, as all scripts of the recipes print them."""

from typing import Any, Sequence


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[Any]], alignment: str = "") -> str:
    """Return a Markdown table.

    Args:
        heads: the headings of the columns.
        rows: the cells of every row.
        alignment: one letter per column, ``l`` (left) or ``r`` (right); by default all are ``l``.
    """
    marks = ["--:" if letter == "r" else "---" for letter in alignment or "l" * len(heads)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in [heads, marks, *rows])
