"""``index.html`` of a sweep: one file that needs neither scripts nor other files."""

import base64
import shlex
from html import escape
from string import Template
from typing import Dict, List, Optional

from fairseq_flexdepth.cli.report.facts import Facts
from fairseq_flexdepth.cli.report.html_tables import (
    budget_table,
    comparison_table,
    every_depth_table,
    front_table,
    heatmaps,
)
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; color: #1c2430;
  max-width: 60rem; margin: 2rem auto 4rem; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; border-bottom: 1px solid #d8dde4; padding-bottom: .2rem; }
p { margin: .5rem 0; }
.quiet { color: #5b6675; font-size: .88rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .22rem .7rem; text-align: right; white-space: nowrap; }
thead th { white-space: normal; border-bottom: 1.5px solid #8b95a3; font-weight: 600; vertical-align: bottom; }
tbody tr + tr td, tbody tr + tr th { border-top: 1px solid #ebeef2; }
th.text, td.text { text-align: left; }
tr.front td { background: #f0f6fc; }
tr.chosen td { background: #fff3d6; }
.maps { display: flex; flex-wrap: wrap; gap: 1.2rem 2.4rem; }
table.map { border-collapse: separate; border-spacing: 3px; margin: 0; }
table.map caption { text-align: left; font-weight: 600; white-space: nowrap; padding-bottom: .3rem; }
table.map td { min-width: 3.6rem; text-align: center; padding: .3rem .35rem; border: 0; border-radius: 3px;
  line-height: 1.2; }
table.map td small { display: block; font-size: .72rem; opacity: .85; }
table.map th { font-weight: 400; color: #5b6675; text-align: center; padding: .1rem .35rem; border: 0; }
img { max-width: 100%; height: auto; }
pre { background: #f5f7f9; border: 1px solid #e2e6eb; border-radius: 4px; padding: .6rem .8rem; margin: .4rem 0 .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.4rem; }
dt { color: #5b6675; } dd { margin: 0; overflow-wrap: anywhere; }
details summary { cursor: pointer; }
</style>
</head>
<body>
$body
</body>
</html>
""")


def page(table: SweepTable, facts: Facts, commands: Dict[str, str], pareto: bytes) -> str:
    """The whole page.

    Args:
        table: all rows.
        facts: the content of ``report.json``.
        commands: the command that decodes as each row, by the row's ``translations``.
        pareto: the PNG file of quality against time.
    """
    several_models, several_rows = len(table.paths) > 1, len(table.rows) > 1
    languages = " → ".join(escape(str(language)) for language in facts["languages"])
    subject = "Quality and speed at every depth" if several_rows else "Quality and speed"
    title = f"{subject}: {languages}, {escape(facts['split'])}"
    parts = [f"<h1>{title}</h1>", _introduction(table, facts)]
    if several_rows:
        parts += ["<h2>Which depth to use</h2>", *_advice(table), front_table(table)]
        if several_models:
            parts.append(budget_table(table))
        parts += [
            "<h2>Quality against time</h2>",
            f'<img alt="BLEU against relative decoding time" src="data:image/png;base64,'
            f'{base64.b64encode(pareto).decode()}">',
            '<p class="quiet">Filled dots are the Pareto front; the line shows the highest BLEU within each time. The '
            "tables list all depth pairs, also those without a label here.</p>",
        ]
    maps = [heatmaps(table, path) for path in table.paths]
    if any(maps):
        parts += ["<h2>By encoder and decoder depth</h2>", *maps]
    if several_models:
        parts += ["<h2>Side by side</h2>", comparison_table(table)]
    parts += ["<h2>Every depth pair</h2>" if several_rows else "<h2>Result</h2>", every_depth_table(table)]
    parts += ["<h2>How to decode</h2>", *_commands(table, commands)]
    parts += ["<h2>How this was measured</h2>", _measurement(facts)]
    return PAGE.substitute(title=title, body="\n".join(part for part in parts if part))


def _introduction(table: SweepTable, facts: Facts) -> str:
    """The models, the data and the machine in one sentence, and how many sentences were too long to decode."""
    counts = [len(table.of_model(path)) for path in table.paths]
    models = ", ".join(
        f"<b>{escape(model['name'])}</b> at {'one depth pair' if count == 1 else f'{count} depth pairs'}"
        for model, count in zip(facts["models"], counts)
    )
    machine = facts["machine"]
    where = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} threads"
    beam = table.baseline.beam
    search = "greedily" if beam == 1 else f"with beam {beam}"
    lines = [
        f"<p>{models}: {facts['sentences']:,} sentences decoded {search} on {escape(where)}, "
        f"{facts['precision']}.</p>"
    ]
    if facts["skipped"]:
        lines.append(
            f"<p>{facts['skipped']} sentences were too long to decode; they are scored as empty translations.</p>"
        )
    return "\n".join(lines)


def _pair_of_model(row: SweepRow, table: SweepTable) -> str:
    """The depth pair of a row, with the model's name if there are several models."""
    return row.pair_text + (f" of {escape(row.model)}" if len(table.paths) > 1 else "")


def _advice(table: SweepTable) -> List[str]:
    """The best depth pair within some shares of the deepest one's time, and within ``--budget``, in words."""
    deepest = table.baseline
    items: List[str] = []
    latest: Optional[SweepRow] = None
    for share, words in ((1.0, "In no more time"), (0.75, "In three quarters of the time"), (0.5, "In half the time"),
                         (0.25, "In a quarter of the time")):  # fmt: skip
        row = table.best_within(share)
        if row is not None and row is not deepest and row is not latest:
            latest = row
            items.append(f"<li>{words}: use <b>{_pair_of_model(row, table)}</b>, which {_cost(row)}</li>")
    if table.budget is not None:
        best = table.within_budget
        found = (
            f"<b>{_pair_of_model(best, table)}</b>, BLEU {best.bleu:.1f} in {best.relative_seconds:.2f} of the time"
            if best is not None
            else "no depth pair is that fast"
        )
        items.append(f"<li>Within <code>--budget {table.budget:g}</code>: {found}</li>")
    return [
        f"<p>Times are relative to {_pair_of_model(deepest, table)}, the deepest depth pair: BLEU {deepest.bleu:.1f} "
        f"in {deepest.seconds:,.1f} s.</p>",
        *(["<ul>", *items, "</ul>"] if items else []),
    ]


def _cost(row: SweepRow) -> str:
    """The BLEU that a row loses or gains against the deepest depth pair, in words."""
    if abs(row.bleu_difference) < 0.05:
        return "costs no BLEU"
    return f"{'gains' if row.bleu_difference > 0 else 'costs'} {abs(row.bleu_difference):.1f} BLEU"


def _commands(table: SweepTable, commands: Dict[str, str]) -> List[str]:
    """The command for the best depth pair within the budget or half the time; below it, folded, all other commands."""
    recommended = table.best_within(0.5) if table.budget is None else table.within_budget
    shown = recommended or table.baseline
    lines = [f"<p>{_pair_of_model(shown, table)}:</p>", f"<pre>{escape(commands[shown.translations])}</pre>"]
    others = [row for row in [*table.front, *(row for row in table.rows if not row.pareto)] if row is not shown]
    if others:
        lines.append("<details><summary>The other depth pairs, the Pareto front first</summary>")
        lines += [
            f"<p>{_pair_of_model(row, table)}</p><pre>{escape(commands[row.translations])}</pre>" for row in others
        ]
        lines.append("</details>")
    return lines


def _measurement(facts: Facts) -> str:
    """A list of what was measured, with which options, on which machine."""
    machine, settings = facts["machine"], facts["settings"]
    batch = {name: settings[name] for name in ("max_tokens", "batch_size") if settings[name] is not None}
    repeats = "once" if facts["repeats"] == 1 else f"{facts['repeats']} times; the median of its times counts"
    values = {
        "Times": "beam search and the encoder. The encoder runs once for all depth pairs of a model; each pair is "
        "charged for the encoder layers that it uses. A warm-up batch is not counted. Each batch was decoded "
        f"{repeats}.",
        "Words/s": "source words per second. Words are separated by white space, after sub-words are joined; there "
        f"are {facts['source_words']:,}.",
        "References": facts["references"] or "the target side of the data",
        "BLEU": facts["bleu_signature"],
        "chrF": facts["chrf_signature"],
        "COMET": facts["comet_model"],
        "Data": f"{facts['data']}, {facts['split']}",
        "Models": ", ".join(model["path"] for model in facts["models"]),
        "Options": shlex.join(facts["options"]),
        "Batches": ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in batch.items()),
        "Processor": f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads",
        "GPU": machine["gpu"],
        "Precision": facts["precision"],
        "Versions": f"Python {machine['python']}, torch {machine['torch']}, {machine['fairseq']}",
        "Date": facts["date"],
        "Files": "sweep.json and sweep.csv (these rows), report.json (these settings), source.txt, reference.txt, and "
        "the translations at each depth pair, e<n>d<m>.txt",
    }
    items = [f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in values.items() if value]
    return "<dl>" + "\n".join(items) + "</dl>"
