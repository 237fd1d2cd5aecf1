"""``index.html`` of a sweep: one file that loads nothing else; without scripts, only ``#reader`` is missing."""

import base64
import shlex
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Dict

from fairseq_flexdepth.cli.generate_options import FAIRSEQ
from fairseq_flexdepth.cli.report.advice import advice, command_list
from fairseq_flexdepth.cli.report.changes import changes
from fairseq_flexdepth.cli.report.facts import Facts
from fairseq_flexdepth.cli.report.html_tables import (
    budget_table,
    comparison_table,
    every_depth_table,
    front_table,
    heatmaps,
)
from fairseq_flexdepth.cli.report.reader import reader
from fairseq_flexdepth.cli.report.texts import Texts
from fairseq_flexdepth.corpus.quality import BLEU, WER
from fairseq_flexdepth.corpus.sweep_rows import SweepTable

FAIRSEQ_TIMES = (
    "beam search and the encoder. The encoder runs once for all depth pairs of a model; each pair is charged for the "
    "encoder layers that it uses."
)
CTRANSLATE2_TIMES = "translate_batch: encoder and search of each depth. Exporting and loading models is not counted."

# The policy lets the page load nothing: no script, style, picture or address but those in it.
PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
$body
</body>
</html>
""")


def page(table: SweepTable, facts: Facts, commands: Dict[str, str], pareto: bytes, texts: Texts) -> str:
    """The whole page.

    Args:
        table: all rows.
        facts: the content of ``report.json``.
        commands: the command that decodes as each row, by the row's ``translations``.
        pareto: the PNG file of quality against time.
        texts: the sources, the references and all translations.
    """
    several_models, several_rows = len(table.systems) > 1, len(table.rows) > 1
    languages = " → ".join(escape(str(language)) for language in facts["languages"] if language)
    subject = "Quality and speed at every depth" if several_rows else "Quality and speed"
    title = f"{subject}: {', '.join(part for part in (languages, escape(facts['split'])) if part)}"
    parts = [f"<h1>{title}</h1>", _introduction(table, facts)]
    if several_rows:
        parts += ["<h2>Which depth to use</h2>", *advice(table), front_table(table)]
        if several_models:
            parts.append(budget_table(table))
        parts += ["<h2>Quality against time</h2>", _picture(table, pareto)]
    maps = [heatmaps(table, system) for system in table.systems]
    if any(maps):
        parts += ["<h2>By encoder and decoder depth</h2>", *maps]
    if several_rows:
        given = table, texts, facts["languages"]
        parts += ["<h2>What changes with depth</h2>", changes(*given), reader(*given)]
    if several_models:
        parts += ["<h2>Side by side</h2>", comparison_table(table)]
    parts += ["<h2>Every depth pair</h2>" if several_rows else "<h2>Result</h2>", every_depth_table(table)]
    parts += ["<h2>How to decode</h2>", *command_list(table, commands)]
    parts += ["<h2>How this was measured</h2>", _measurement(facts)]
    if several_rows:
        parts.append(f"<script>\n{_beside('reader.js')}</script>")
    return PAGE.substitute(title=title, style=_beside("page.css"), body="\n".join(part for part in parts if part))


def _beside(name: str) -> str:
    """The text of a file of this package."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _picture(table: SweepTable, pareto: bytes) -> str:
    """The plot of quality against time, and its content in words."""
    front = "; ".join(f"{table.label(row)} {row.relative_seconds:.2f}, {row.score:.1f}" for row in table.front)
    title = table.measure.title
    words = f"Plot of {title} against relative decoding time. Time and {title} on the Pareto front: {front}."
    return (
        f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(pareto).decode()}">\n'
        f'<p class="quiet">Filled marks are the Pareto front; the line shows the best {title} within each time. '
        f"Whiskers are 95 % intervals of each {title} alone; p compares two depth pairs on the same sentences and "
        "finds smaller differences. The tables list all depth pairs, also those without a label here.</p>"
    )


def _introduction(table: SweepTable, facts: Facts) -> str:
    """The models, the data and the machine in one sentence, and how many sentences were too long to decode."""
    counts = [len(table.of_model(system)) for system in table.systems]
    models = ", ".join(
        f"<b>{escape(model['name'])}</b> at {'one depth pair' if count == 1 else f'{count} depth pairs'}"
        for model, count in zip(facts["models"], counts)
    )
    machine = facts["machine"]
    where = machine["gpu"] or f"{machine['cpu']}, {facts['load']['threads']} threads"
    beam = table.baseline.beam
    search = "greedily" if beam == 1 else f"with beam {beam}"
    lines = [
        f"<p>{models}: {facts['sentences']:,} sentences decoded {search} by {escape(facts['engine']['engine'])} on "
        f"{escape(where)}, {facts['precision']}.</p>"
    ]
    if facts["load"]["busy"]:
        lines.append("<p><b>The machine was busy: measure the times again.</b></p>")
    if facts["skipped"]:
        lines.append(
            f"<p>{facts['skipped']} sentences were too long to decode; they are scored as empty translations.</p>"
        )
    return "\n".join(lines)


def _measurement(facts: Facts) -> str:
    """A list of what was measured, with which options, on which machine."""
    machine, settings = facts["machine"], facts["settings"]
    batch = {name: settings[name] for name in ("max_tokens", "batch_size") if settings[name] is not None}
    repeats = "once" if facts["repeats"] == 1 else f"{facts['repeats']} times; the median of its times counts"
    wer = facts["wer_signature"]
    measure = WER if wer else BLEU
    words = facts["source_words"]
    times = FAIRSEQ_TIMES if facts["engine"]["engine"] == FAIRSEQ else CTRANSLATE2_TIMES
    values = {
        "Engine": facts["engine"]["engine"],
        "Times": f"{times} A warm-up batch is not counted. Each batch was decoded {repeats}.",
        "Words/s": words
        and "source words per second. Words are separated by white space, after sub-words are joined; there are "
        f"{words:,}.",
        "References": facts["references"] or "the target side of the data",
        "BLEU": facts["bleu_signature"],
        "WER": wer and f"word error rate, edits per 100 words of the references, by fairseq; {wer}",
        "chrF": facts["chrf_signature"],
        "COMET": facts["comet_model"],
        "Intervals, p": "sacrebleu's paired bootstrap against the deepest depth pair of the first model: "
        f"{facts['test']['samples']:,} samples, seed {facts['test']['seed']}. "
        f"{'Higher' if measure.lower_is_better else 'Lower'} {measure.title} with "
        f"p < {facts['test']['level']:g} is significantly worse.",
        "Data": f"{facts['data']}, {facts['split']}",
        "Models": ", ".join(model["path"] for model in facts["models"]),
        "Options": shlex.join(facts["options"]),
        "Batches": ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in batch.items()),
        "Processor": f"{machine['cpu']}, {machine['cores']} cores, {facts['load']['threads']} threads",
        "Load": _load(facts["load"]),
        "GPU": machine["gpu"],
        "Precision": facts["precision"],
        "Versions": f"Python {machine['python']}, torch {machine['torch']}, {machine['fairseq']}",
        "Date": facts["date"],
        "Files": "sweep.json and sweep.csv (these rows), report.json (these settings), source.txt, reference.txt, and "
        "the translations at each depth pair, e<n>d<m>.txt",
    }
    items = [f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in values.items() if value]
    return "<dl>" + "\n".join(items) + "</dl>"


def _load(load: Dict[str, Any]) -> str:
    """The load average before the run, in words; empty where it is unknown."""
    if load["average"] is None:
        return ""
    busy = "busy with other processes, so times are too long" if load["busy"] else "idle enough"
    return f"{load['average']:g} of {load['cores']} cores in the minute before: {busy}"
