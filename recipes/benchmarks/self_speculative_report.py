"""The report of ``recipes.benchmarks.self_speculative``: tables and a picture."""

from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List, Set

from recipes.benchmarks import common
from recipes.common.figure import pyplot, save_figure
from recipes.common.markdown import markdown_table

Rows = List[Dict[str, Any]]
Measured = Dict[str, Rows]  # by PART THREADS
# Parts with their titles, and the size that tells their rows apart
TITLES = {
    "grid": ("One sentence at a time", "batch"),
    "batches": ("Sentences per batch", "batch"),
    "vocabulary": ("Draft vocabulary, by the number of words that are about equally frequent", "frequent"),
    "trained": ("Trained model, sentences per batch", "batch"),
}
# The model of a part, in the picture
MODELS = {"grid": "made to agree", "batches": "made to agree", "trained": "trained"}


def _threads(name: str) -> str:
    return f"{name.split()[1]} thread{'s'[: name.split()[1] != '1']}"


def _drafted(rows: Rows) -> Rows:
    return [row for row in rows if "acceptance" in row]


def _share(row: Dict[str, Any], key: str) -> str:
    return f"{row[key]:.0%}" if key in row else ""


def _section(name: str, rows: Rows) -> str:
    """The table of one part at one number of threads."""
    title, size = TITLES[name.split()[0]]
    heads = [size, "search", "ms per sentence", "× fairseq", "words covered", "accepted", "words per check"]
    cells = [
        [f"{row[size]:g}", row["way"], f"{1000 * row['seconds_per_sentence']:.1f}", f"{row['speedup']:.2f}"]
        + [_share(row, "covered"), _share(row, "acceptance"), f"{row.get('words_per_check', 1):.2f}"]
        + [_share(row, "near_ties"), row["differing"]]
        for row in rows
    ]
    return f"**{title}, {_threads(name)}**\n\n{markdown_table([*heads, 'near ties', 'differ'], cells, 'rlrrrrrrr')}"


def _findings(measured: Measured) -> List[str]:
    """The best values, and whether they reach the targets."""
    found = []
    for name, rows in measured.items():
        part, good = name.split()[0], _drafted(rows)
        if part == "grid":
            good = [row for row in good if row["acceptance"] >= 0.85]
            if good:
                best = max(good, key=lambda row: row["speedup"])
                found.append(
                    f"one sentence at a time, at least 85 % accepted, {_threads(name)}: {best['way']}, "
                    f"{common.reached(best['speedup'], 2.0, at_least=True)}"
                )
        if part == "trained":
            best = max((row for row in good if row["batch"] == 1), key=lambda row: row["speedup"])
            found.append(
                f"trained model, {_threads(name)}: {best['way']}, {best['acceptance']:.0%} accepted, "
                f"{common.reached(best['speedup'], 2.5, at_least=True)}"
            )
        if part in ("batches", "trained"):
            found += [
                f"batches of 16, {part}, {_threads(name)}: {common.reached(row['speedup'], 1.0, at_least=True)}"
                for row in good if row["batch"] == 16
            ]  # fmt: skip
    return found


def table(measured: Measured, args: Namespace) -> str:
    """Return the report as Markdown."""
    text = (
        f"{args.layers}×{args.layers}, d {args.embed_dim}, ffn {args.ffn_dim}, V {args.vocabulary:,}, Pre-LN, random "
        f"weights, residual branches of the upper decoder layers × {args.shrink}; sources of {args.length} words, "
        f"{args.max_len_b + 1} words per hypothesis; median of {args.repeats} turns."
    )
    if args.model is not None:
        text += f" Trained model: {args.decoded} sentences of its test set."
    return common.page(text, "\n\n".join(_section(name, rows) for name, rows in measured.items()), _findings(measured))


def draw(measured: Measured, path: Path) -> None:
    """Draw the time per sentence without and with drafts, and the speed-up by batch size, to a PNG file."""
    figure, (times, speedups) = pyplot().subplots(1, 2, figsize=(11, 4.2))
    _draw_times(times, {name: rows for name, rows in measured.items() if name.split()[0] in ("grid", "trained")})
    sizes: Set[int] = set()
    for name, rows in measured.items():
        part, threads = name.split()
        if part in ("batches", "trained"):
            points = {row["batch"]: row["speedup"] for row in _drafted(rows) if row["way"] == _drafted(rows)[-1]["way"]}
            marker = "o" if threads == "1" else "s"
            speedups.plot(*zip(*points.items()), marker=marker, label=f"{MODELS[part]}, {_threads(name)}")
            sizes.update(points)
    speedups.axhline(1.0, color="#999999", linewidth=1)
    speedups.set_xscale("log")
    speedups.minorticks_off()
    speedups.set_xticks(sorted(sizes))
    speedups.set_xticklabels(map(str, sorted(sizes)))
    speedups.set_ylim(bottom=0)
    speedups.set_xlabel("sentences per batch")
    speedups.set_ylabel("speed with drafts, fairseq's = 1")
    speedups.legend(fontsize=8)
    save_figure(figure, path)


def _draw_times(axes: Any, single: Measured) -> None:
    """Bars: milliseconds per sentence, with the rate of accepted words above the fastest draft's."""
    labels = ("fairseq's --beam 1", "--fast-greedy", "with drafts")
    for group, rows in enumerate(single.values()):
        alone = [row for row in rows if row["batch"] == 1]
        fastest = max(_drafted(alone), key=lambda row: row["speedup"])
        for number, row in enumerate([*alone[:2], fastest]):
            height = row["seconds_per_sentence"] / alone[0]["seconds_per_sentence"]
            colour = ("#999999", "#56b4e9", "#0072b2")[number]
            place = group + (number - 1) * 0.28
            axes.bar(place, height, 0.26, color=colour, label=labels[number] if group == 0 else None)
            note = f"{1000 * row['seconds_per_sentence']:.0f} ms"
            note += f"\n{row['acceptance']:.0%}\naccepted" if number == 2 else ""
            axes.text(place, height + 0.01, note, ha="center", va="bottom", fontsize=7)
    axes.set_xticks(range(len(single)))
    axes.set_xticklabels([f"{MODELS[name.split()[0]]},\n{_threads(name)}" for name in single], fontsize=8)
    axes.set_ylim(0, 1.3)
    axes.set_ylabel("time per sentence, fairseq's = 1")
    axes.legend(fontsize=8, loc="upper center", ncol=3)
