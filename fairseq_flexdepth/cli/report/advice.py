"""The advice of ``index.html``: which depth pair to use, in words, and the commands that decode at each."""

from html import escape
from typing import Dict, List, Optional

from fairseq_flexdepth.corpus.paired_bootstrap import LEVEL
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable


def advice(table: SweepTable) -> List[str]:
    """The depth pairs to recommend, in words.

    They are the fastest that is not significantly worse than the deepest, the best within ``--budget``, the fastest
    within ``--max-loss``, and the best within some shares of the deepest pair's time.
    """
    deepest = table.baseline
    items = [_not_worse(table)]
    if table.budget is not None:
        best = table.within_budget
        found = "no depth pair is that fast" if best is None else f"<b>{_label(best, table)}</b>, {_result(best)}"
        items.append(f"The best within <code>--budget {table.budget:g}</code>: {found}.")
    if table.max_loss is not None and table.within_loss is not None:
        fastest = f"<b>{_label(table.within_loss, table)}</b>, {_result(table.within_loss)}"
        items.append(f"The fastest within <code>--max-loss {table.max_loss:g}</code>: {fastest}.")
    latest: Optional[SweepRow] = None
    for share, words in ((1.0, "In no more time"), (0.75, "In three quarters of the time"), (0.5, "In half the time"),
                         (0.25, "In a quarter of the time")):  # fmt: skip
        row = table.best_within(share)
        if row is not None and row is not deepest and row is not latest:
            latest = row
            items.append(f"{words}: use <b>{_label(row, table)}</b>, which {_cost(row)}.")
    return [
        f"<p>Times are relative to {_label(deepest, table)}, the deepest depth pair: "
        f"{table.measure.title} {deepest.score:.1f} in {deepest.seconds:,.1f} s.</p>",
        "<ul>",
        *(f"<li>{item}</li>" for item in items),
        "</ul>",
    ]


def _not_worse(table: SweepTable) -> str:
    """The fastest row that is not significantly worse than the baseline, in words."""
    row, deepest = table.not_worse, table.baseline
    test = f'<span class="quiet">(paired bootstrap, p &lt; {LEVEL:g})</span>'
    if row is deepest:
        return f"Every faster depth pair is significantly worse than <b>{_label(deepest, table)}</b> {test}."
    p_value = "" if row.p_value is None else f", p = {row.p_value:.3f}"
    return (
        f"The fastest that is not significantly worse {test}: <b>{_label(row, table)}</b>, "
        f"{_result(row)}{p_value}."
    )


def _label(row: SweepRow, table: SweepTable) -> str:
    return escape(table.label(row))


def _result(row: SweepRow) -> str:
    return f"{row.measure.title} {row.score:.1f} in {row.relative_seconds:.2f} of the time"


def _cost(row: SweepRow) -> str:
    """The BLEU that a row loses or gains against the deepest depth pair, or its lower or higher WER, in words."""
    title, amount = row.measure.title, f"{abs(row.difference):.1f}"
    if abs(row.difference) < 0.05:
        return f"has the same {title}" if row.measure.lower_is_better else f"costs no {title}"
    if row.measure.lower_is_better:
        return f"{'lowers' if row.loss < 0 else 'raises'} {title} by {amount}"
    return f"{'gains' if row.loss < 0 else 'costs'} {amount} {title}"


def command_list(table: SweepTable, commands: Dict[str, str]) -> List[str]:
    """The commands for the rows to recommend; below them, folded, all other commands.

    Args:
        table: all rows.
        commands: the command of each row, by the row's ``translations``.
    """
    chosen = [row for row in (table.not_worse, table.within_budget, table.within_loss) if row is not None]
    shown = list(dict.fromkeys(row.translations for row in chosen))
    lines = [_command(row, table, commands) for row in table.rows if row.translations in shown]
    ordered = [*table.front, *(row for row in table.rows if not row.pareto)]
    others = [row for row in ordered if row.translations not in shown]
    if others:
        lines.append("<details><summary>The other depth pairs, the Pareto front first</summary>")
        lines += [_command(row, table, commands) for row in others]
        lines.append("</details>")
    return lines


def _command(row: SweepRow, table: SweepTable, commands: Dict[str, str]) -> str:
    choice = f", {row.chosen_as}" if row.chosen_as and len(table.rows) > 1 else ""
    return f"<p>{_label(row, table)}{choice}:</p><pre>{escape(commands[row.translations])}</pre>"
