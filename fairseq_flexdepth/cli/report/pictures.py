"""The pictures of a sweep: quality and speed at every depth, and quality against time."""

from typing import Any, Dict, List, Sequence, Tuple

from fairseq_flexdepth.cli.report.heatmap import draw_heatmap
from fairseq_flexdepth.depth.trade_off import pareto_front
from fairseq_flexdepth.files.outputs import save_figure

COLOURS = ("#1f5f99", "#c8501e", "#2f855a", "#7b3fa0", "#8a6d00", "#444444")
# Where a label may go, in points from its dot, until it covers neither another label nor a dot.
PLACES = [
    (horizontal * distance, vertical * distance)
    for distance in (6, 14, 24, 36, 50)
    for horizontal, vertical in ((-1, 1), (1, -1), (0, 1.3), (0, -1.3), (1, 1), (-1, -1))
]


def draw_depths(rows: Sequence[Dict[str, Any]], path: str) -> None:
    """A heatmap of one model's *rows* of ``sweep.json``."""
    by_pair = {(row["enc_layers"], row["dec_layers"]): row for row in rows}
    draw_heatmap(
        {pair: row["bleu"] for pair, row in by_pair.items()},
        {pair: f"{row['bleu']:.1f}\n{row['sentences_per_second']:.0f} sent/s" for pair, row in by_pair.items()},
        "BLEU and speed at every depth",
        "BLEU",
        path,
    )


def draw_pareto(models: Sequence[Sequence[Dict[str, Any]]], names: Sequence[str], path: str) -> None:
    """BLEU against time, a colour a model; the Pareto front of all of them is a line with its depths written to it.

    Args:
        models: the rows of ``sweep.json`` of each model.
        names: the models', for the legend.
        path: the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.6, 5.2))
    rows = [row for model in models for row in model]
    points = [(row["relative_seconds"], row["bleu"]) for row in rows]
    front = [rows[position] for position in pareto_front([y for _, y in points], [row["seconds"] for row in rows])]
    axes.step(
        [row["relative_seconds"] for row in front], [row["bleu"] for row in front],
        where="post", color="#999999", linewidth=1, zorder=1,
    )  # fmt: skip
    for number, (model, name) in enumerate(zip(models, names)):
        colour = COLOURS[number % len(COLOURS)]
        best = [row for row in model if row in front]
        others = [row for row in model if row not in front]
        for kind, face, size in ((others, "white", 22), (best, colour, 34)):
            axes.scatter(
                [row["relative_seconds"] for row in kind], [row["bleu"] for row in kind],
                s=size, facecolors=face, edgecolors=colour, linewidths=1.2, zorder=3,
                label=name if kind is (best or others) else None,
            )  # fmt: skip
    axes.margins(0.1, 0.14)
    axes.set_xlabel("decoding time relative to the deepest")
    axes.set_ylabel("BLEU")
    axes.grid(color="#e6e6e6", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if len(models) > 1:
        axes.legend(loc="lower right", fontsize=9, frameon=True)
    figure.tight_layout()
    labels = [f"({row['enc_layers']}, {row['dec_layers']})" for row in front]
    _write_labels(axes, [(row["relative_seconds"], row["bleu"]) for row in front], labels, points)
    save_figure(figure, path)


def _write_labels(
    axes: Any, anchors: Sequence[Tuple[float, float]], labels: Sequence[str], points: Sequence[Tuple[float, float]]
) -> None:
    """Write *labels* beside their *anchors*, each where it covers no other label and none of the *points*."""
    figure = axes.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    dots = axes.transData.transform(points)
    frame = figure.bbox
    taken: List[Any] = [] if axes.get_legend() is None else [axes.get_legend().get_window_extent(renderer)]
    for anchor, label in zip(anchors, labels):
        for x, y in PLACES:
            text = axes.annotate(
                label, anchor, xytext=(x, y), textcoords="offset points", fontsize=9, zorder=4,
                ha="right" if x < 0 else "left" if x > 0 else "center", va="bottom" if y > 0 else "top",
                arrowprops={"arrowstyle": "-", "color": "#aaaaaa", "linewidth": 0.7} if abs(x) + abs(y) > 24 else None,
            )  # fmt: skip
            text.update_positions(renderer)
            box = _text_box(text, renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken) and not box.count_contains(dots):
                taken.append(box)
                break
            text.remove()  # the depth is in the page's tables, too


def _text_box(text: Any, renderer: Any) -> Any:
    """Where the text of an annotation is, without its line."""
    from matplotlib.text import Text

    return Text.get_window_extent(text, renderer).expanded(1.04, 1.1)
