"""``index.html`` of a sweep: one file that needs nothing else, neither scripts nor pictures beside it."""

import base64
import shlex
from html import escape
from string import Template
from typing import Any, Dict, List, Optional, Sequence

from fairseq_flexdepth.cli.report.tables import (
    Row,
    baseline_row,
    budget_table,
    comparison_table,
    every_depth_table,
    front_rows,
    front_table,
    heatmaps,
    pair_text,
)
from fairseq_flexdepth.depth.trade_off import best_within

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


def page(rows: Sequence[Row], facts: Dict[str, Any], commands: Dict[str, str], pareto: bytes) -> str:
    """The whole page.

    Args:
        rows: those of ``sweep.json``.
        facts: those of ``report.json``.
        commands: how to decode with each row, by its ``translations``.
        pareto: the PNG of quality against time.
    """
    several = len(facts["models"]) > 1
    languages = " → ".join(escape(str(language)) for language in facts["languages"])
    subject = "Quality and speed at every depth" if len(rows) > 1 else "Quality and speed"
    title = f"{subject}: {languages}, {escape(facts['split'])}"
    parts = [f"<h1>{title}</h1>", _lead(rows, facts)]
    if len(rows) > 1:
        parts += ["<h2>Which depth?</h2>", *_advice(rows, facts), front_table(rows, facts)]
        if several:
            parts.append(budget_table(rows, facts))
        parts += [
            "<h2>Quality against time</h2>",
            f'<img alt="BLEU against relative decoding time" src="data:image/png;base64,'
            f'{base64.b64encode(pareto).decode()}">',
            '<p class="quiet">Filled dots are the Pareto front; the line is the best BLEU within a time. Depths whose '
            "labels found no room are in the tables.</p>",
        ]
    maps = [heatmaps(rows, facts, model) for model in facts["models"]]
    if any(maps):
        parts += ["<h2>By encoder and decoder depth</h2>", *maps]
    if several:
        parts += ["<h2>Side by side</h2>", comparison_table(rows, facts)]
    parts += ["<h2>Every depth</h2>" if len(rows) > 1 else "<h2>Result</h2>", every_depth_table(rows, facts)]
    parts += ["<h2>How to decode</h2>", *_commands(rows, facts, commands)]
    parts += ["<h2>How this was measured</h2>", _measured(rows, facts)]
    return PAGE.substitute(title=title, body="\n".join(part for part in parts if part))


def _lead(rows: Sequence[Row], facts: Dict[str, Any]) -> str:
    counts = [sum(row["path"] == model["path"] for row in rows) for model in facts["models"]]
    names = ", ".join(
        f"<b>{escape(model['name'])}</b> at {'one depth' if count == 1 else f'{count} depths'}"
        for model, count in zip(facts["models"], counts)
    )
    machine = facts["machine"]
    where = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} threads"
    beam = rows[0]["beam"]
    search = "greedily" if beam == 1 else f"with beam {beam}"
    lines = [
        f"<p>{names}: {facts['sentences']:,} sentences decoded {search} on {escape(where)}, "
        f"{facts['precision']}.</p>"
    ]
    if facts["skipped"]:
        lines.append(f"<p>{facts['skipped']} sentences were too long to decode: scored as empty translations.</p>")
    return "\n".join(lines)


def _named(row: Row, facts: Dict[str, Any]) -> str:
    names = {model["path"]: model["name"] for model in facts["models"]}
    return pair_text(row) + (f" of {escape(names[row['path']])}" if len(names) > 1 else "")


def _advice(rows: Sequence[Row], facts: Dict[str, Any]) -> List[str]:
    """What decoding within a share of the deepest's time costs, in words."""
    deepest = baseline_row(rows, facts)
    lines = [
        f"<p>Times are relative to {_named(deepest, facts)}, the deepest: BLEU {deepest['bleu']:.1f} in "
        f"{deepest['seconds']:,.1f} s.</p>"
    ]
    found: Optional[Row] = None
    for share, words in ((1.0, "In no more time"), (0.75, "In three quarters of the time"), (0.5, "In half the time"),
                         (0.25, "In a quarter of the time")):  # fmt: skip
        row, previous = _best(rows, deepest, share), found
        if row is None or row is deepest or row is previous:
            continue
        found = row
        lines.append(f"<li>{words}: use <b>{_named(row, facts)}</b>, which {_price(row, deepest)}</li>")
    items = lines[1:]
    budget = facts["budget"]
    if budget is not None:
        row = _best(rows, deepest, budget["share"])
        chosen = (
            f"<b>{_named(row, facts)}</b>, BLEU {row['bleu']:.1f}, takes {row['relative_seconds']:.2f}"
            if row is not None
            else "no depth is that fast"
        )
        items.append(f"<li>Within <code>--budget {budget['share']:g}</code>: {chosen}</li>")
    return [lines[0], *(["<ul>", *items, "</ul>"] if items else [])]


def _price(row: Row, deepest: Row) -> str:
    difference = row["bleu"] - deepest["bleu"]
    if abs(difference) < 0.05:
        return "costs no BLEU"
    return f"{'gains' if difference > 0 else 'costs'} {abs(difference):.1f} BLEU"


def _best(rows: Sequence[Row], deepest: Row, share: float) -> Optional[Row]:
    found = best_within(
        [row["bleu"] for row in rows], [row["seconds"] for row in rows], share * deepest["seconds"]
    )
    return None if found is None else rows[found]


def _commands(rows: Sequence[Row], facts: Dict[str, Any], commands: Dict[str, str]) -> List[str]:
    """The command of the depth that is recommended, and those of the others to unfold."""
    deepest = baseline_row(rows, facts)
    share = facts["budget"]["share"] if facts["budget"] is not None else 0.5
    shown = _best(rows, deepest, share) or deepest
    lines = [f"<p>{_named(shown, facts)}:</p>", f"<pre>{escape(commands[shown['translations']])}</pre>"]
    others = [row for row in [*front_rows(rows), *rows] if row is not shown]
    others = list({row["translations"]: row for row in others}.values())
    if others:
        lines.append("<details><summary>The other depths, the Pareto front first</summary>")
        lines += [
            f"<p>{_named(row, facts)}</p><pre>{escape(commands[row['translations']])}</pre>" for row in others
        ]
        lines.append("</details>")
    return lines


def _measured(rows: Sequence[Row], facts: Dict[str, Any]) -> str:
    machine, settings = facts["machine"], facts["settings"]
    batch = {name: settings[name] for name in ("max_tokens", "batch_size") if settings[name] is not None}
    repeats = "once" if facts["repeats"] == 1 else f"{facts['repeats']} times; the median of each batch counts"
    known = {
        "Times": "beam search and the encoder, whose one run for all depths of a model is shared out by layers; a "
        f"batch to warm up is not in them. Each batch was decoded {repeats}.",
        "Words/s": "source words: what white space separates in the text without its sub-words "
        f"({facts['source_words']:,} in all)",
        "Scored against": facts["references"] or "the target side of the data",
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
        "Files": "sweep.json and sweep.csv (these rows), report.json (these settings), source.txt, reference.txt and "
        "the translations of every depth, e<n>d<m>.txt",
    }
    items = [f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in known.items() if value]
    return "<dl>" + "\n".join(items) + "</dl>"
