"""Markdown tables that are also readable as plain text."""

from typing import List, Sequence


def aligned_table(cells: Sequence[Sequence[str]], text: Sequence[bool]) -> List[str]:
    """The lines of a Markdown table with aligned columns.

    Args:
        cells: the headings, then the cells of every row.
        text: for each column, whether it holds text, which is aligned to the left; numbers are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if is_text else cell.rjust(width) for cell, width, is_text in zip(line, widths, text)
        ]
        lines.append(f"| {' | '.join(padded).rstrip()} |")
    lines.insert(1, f"|{'|'.join(':--' if is_text else '--:' for is_text in text)}|")
    return lines
