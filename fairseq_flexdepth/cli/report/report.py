"""What ``sweep`` writes and prints: rows, facts about the run, translations, pictures and the page."""

import argparse
import csv
import glob
import io
import json
import os
import shlex
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from fairseq_flexdepth.cli.report.page import page
from fairseq_flexdepth.cli.report.pictures import draw_depths, draw_pareto
from fairseq_flexdepth.depth.trade_off import best_within
from fairseq_flexdepth.files.outputs import publish, staging, write_whole

if TYPE_CHECKING:
    from fairseq_flexdepth.corpus.sweep import SweepResults

Row = Dict[str, Any]
# What a sweep writes besides files that every sweep replaces.
OWN_FILES = ("e[0-9]*d[0-9]*.txt", "system-[0-9]*/e[0-9]*d[0-9]*.txt", "heatmap-[0-9]*.png")


def run_wide_facts(
    args: argparse.Namespace, swept: "SweepResults", rows: List[Row], sources: List[str], more: Dict[str, Any]
) -> Dict[str, Any]:
    """What ``report.json`` holds: all that is no row's own.

    Args:
        args: the options of the sub-command.
        swept: the results.
        rows: those of ``sweep.json``.
        sources: all source sentences.
        more: ``machine`` and ``settings``, for the record.
    """
    split = swept.sweep.split
    baseline = rows[swept.sweep.runs.index(swept.sweep.baseline)]
    names = short_names(split.paths)
    return {
        "data": split.cfg.task.data,
        "split": split.cfg.dataset.gen_subset,
        "languages": [split.task.cfg.source_lang, split.task.cfg.target_lang],
        "sentences": len(swept.decoded),
        "skipped": len(sources) - len(swept.decoded),
        "source_words": swept.source_words(sources),
        "references": args.references,
        "models": [
            {"path": path, "name": name, "has_depths": any(hasattr(model, "set_depth") for model in models)}
            for path, name, models in zip(split.paths, names, split.ensembles)
        ],
        "baseline": {key: baseline[key] for key in ("path", "enc_layers", "dec_layers", "seconds")},
        "budget": _budget(args.budget, rows, baseline),
        "bleu_signature": baseline["bleu_signature"],
        "chrf_signature": baseline["chrf_signature"],
        "comet_model": args.comet,
        "repeats": args.repeat,
        "precision": "fp16" if split.cfg.common.fp16 else "fp32",
        "options": _without_depths(args.fairseq_options),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        **more,
    }


def _budget(share: Optional[float], rows: List[Row], baseline: Row) -> Optional[Dict[str, Any]]:
    """The best row within *share* of the baseline's time; every row learns whether it is that one."""
    if share is None:
        return None
    found = best_within(
        [row["bleu"] for row in rows], [row["seconds"] for row in rows], share * baseline["seconds"]
    )
    for position, row in enumerate(rows):
        row["best_within_budget"] = position == found
    keys = ("path", "enc_layers", "dec_layers", "bleu", "relative_seconds")
    return {"share": share, "best": None if found is None else {key: rows[found][key] for key in keys}}


def short_names(paths: Sequence[str]) -> List[str]:
    """What tells *paths* apart, without a file name that all have; a single path's folder and file."""
    parts = [path.split("/") for path in paths]
    if len(paths) == 1:
        return ["/".join(parts[0][-2:])]
    while len({names[-1] for names in parts}) == 1:
        parts = [names[:-1] for names in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(names[-count:]) for names in parts]
        if len(set(names)) == len(names):
            return names
    return list(paths)


def _without_depths(options: Sequence[str]) -> List[str]:
    """fairseq-generate's options as they were typed, but for depths and our own --user-dir."""
    from fairseq_flexdepth.cli.fairseq_options import PACKAGE

    kept: List[str] = []
    rest = iter(options)
    for option in rest:
        name, equals, value = option.partition("=")
        if name in ("--enc-layers", "--dec-layers", "--user-dir"):
            value = value if equals else next(rest, "")
            if name == "--user-dir" and os.path.basename(value.rstrip("/")) != PACKAGE:
                kept += [name, value]
        else:
            kept.append(option)
    return kept


def generate_command(facts: Dict[str, Any], row: Row) -> str:
    """The fairseq-generate command that decodes as *row*."""
    model = next(model for model in facts["models"] if model["path"] == row["path"])
    words = ["fairseq-generate", *facts["options"], "--path", row["path"]]
    if "--user-dir" not in words:
        words += ["--user-dir", "fairseq_flexdepth"]
    if model["has_depths"]:
        words += ["--enc-layers", str(row["enc_layers"]), "--dec-layers", str(row["dec_layers"])]
    return shlex.join(words)


def csv_text(rows: List[Row]) -> str:
    """The rows of ``sweep.json`` as a table with a header."""
    output = io.StringIO()
    writer = csv.DictWriter(output, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return output.getvalue()


def write_report(
    folder: str, swept: "SweepResults", rows: List[Row], facts: Dict[str, Any], texts: Dict[str, List[str]]
) -> None:
    """Write all files, in place of those of an earlier report; where ``sweep.json`` is, the report is complete.

    Args:
        folder: where they go.
        swept: has the translations.
        rows: of ``sweep.json``.
        facts: of ``report.json``.
        texts: sources and references, by file name.
    """
    with staging(os.path.join(folder, "unfinished")) as staged:
        _write_files(staged, swept, rows, facts, texts)
        stale = [path for own in OWN_FILES for path in glob.glob(os.path.join(glob.escape(folder), own))]
        publish(staged, folder, last="sweep.json", stale=stale)


def _write_files(
    folder: str, swept: "SweepResults", rows: List[Row], facts: Dict[str, Any], texts: Dict[str, List[str]]
) -> None:
    lines = {f"{name}.txt": sentences for name, sentences in texts.items()}
    lines.update((row["translations"], swept.translations(position)) for position, row in enumerate(rows))
    for name, sentences in lines.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, "".join(f"{sentence}\n" for sentence in sentences))
    names = [model["name"] for model in facts["models"]]
    for number, model in enumerate(facts["models"], start=1):
        name = "heatmap.png" if number == 1 else f"heatmap-{number}.png"
        draw_depths([row for row in rows if row["path"] == model["path"]], os.path.join(folder, name))
    pareto = os.path.join(folder, "pareto.png")
    draw_pareto([[row for row in rows if row["path"] == model["path"]] for model in facts["models"]], names, pareto)
    commands = {row["translations"]: generate_command(facts, row) for row in rows}
    with open(pareto, "rb") as picture:
        write_whole(os.path.join(folder, "index.html"), page(rows, facts, commands, picture.read()))
    write_whole(os.path.join(folder, "sweep.csv"), csv_text(rows))
    write_whole(os.path.join(folder, "report.json"), json.dumps(facts, indent=1) + "\n")
    write_whole(os.path.join(folder, "sweep.json"), json.dumps(rows, indent=1) + "\n")


def summary(folder: str, rows: List[Row], facts: Dict[str, Any]) -> str:
    """The results as a Markdown table, and what the budget buys."""
    names = {model["path"]: model["name"] for model in facts["models"]}
    several, comet = len(names) > 1, "comet" in rows[0]
    header = ["encoder", "decoder", " BLEU", " chrF", *(["COMET"] if comet else []), "seconds", "relative",
              "sentences/s", "words/s", *(["model"] if several else [])]  # fmt: skip
    lines = [f"| {' | '.join(header)} |", "|" + "--:|" * (len(header) - several) + ":--|" * several]
    for row in rows:
        cells = [row["enc_layers"], row["dec_layers"], f"{row['bleu']:.1f}", f"{row['chrf']:.1f}"]
        cells += [f"{row['comet']:.3f}"] if comet else []
        cells += [f"{row['seconds']:.1f}", f"{row['relative_seconds']:.2f}", f"{row['sentences_per_second']:.1f}",
                  f"{row['words_per_second']:,.0f}"]  # fmt: skip
        padded = [f"{cell:>{len(title)}}" for cell, title in zip(cells, header)]
        lines.append(f"| {' | '.join([*padded, names[row['path']]] if several else padded)} |")
    if facts["budget"] is not None:
        lines.append(budget_sentence(facts, names if several else {}))
    if facts["skipped"]:
        lines.append(f"{facts['skipped']} sentences were too long to decode: scored as empty translations")
    lines.append(f"{os.path.join(folder, 'index.html')}: the report")
    return "\n".join(lines)


def budget_sentence(facts: Dict[str, Any], names: Dict[str, str]) -> str:
    """What ``--budget`` buys, with the model's name where there are several."""
    share, best = facts["budget"]["share"], facts["budget"]["best"]
    if best is None:
        return f"--budget {share:g}: no depth is that fast"
    model = f" of {names[best['path']]}" if names else ""
    return (
        f"--budget {share:g}: depth ({best['enc_layers']}, {best['dec_layers']}){model}, BLEU {best['bleu']:.1f}, "
        f"takes {best['relative_seconds']:.2f} of the deepest's time"
    )
