"""The plot of quality against time, with the Pareto front."""

from typing import Any, List, Sequence, Tuple

from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable
from fairseq_flexdepth.files.outputs import save_figure

Point = Tuple[float, float]  # relative time, score

# Colours that colour-blind readers can tell apart (Okabe and Ito), and shapes for readers without colours
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#444444")
SHAPES = ("o", "s", "^", "D", "v", "P")
# Places for a label, in points from its dot; the first one where it covers neither another label nor a dot is taken.
PLACES = [
    (horizontal * distance, vertical * distance)
    for distance in (6, 14, 24, 36, 50)
    for horizontal, vertical in ((-1, 1), (1, -1), (0, 1.3), (0, -1.3), (1, 1), (-1, -1))
]


def draw_pareto(table: SweepTable, path: str) -> None:
    """Draw quality against relative time to the PNG file *path*: one colour and shape per model, one dot per row.

    Dots on the Pareto front are filled, labelled with their depth pairs and joined by a line. Whiskers are the 95 %
    intervals of the score. Better is higher up: low word error rates, too.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.6, 5.2))
    front = [(row.relative_seconds, row.score) for row in table.front]
    axes.step(*zip(*front), where="post", color="#999999", linewidth=1, zorder=1)
    for number, system in enumerate(table.systems):
        colour, shape, rows = COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)], table.of_model(system)
        _draw_whiskers(axes, rows, colour)
        best, others = ([row for row in rows if row.pareto is pareto] for pareto in (True, False))
        for dots, face, size in ((others, "white", 22), (best, colour, 34)):
            axes.scatter(
                [row.relative_seconds for row in dots], [row.score for row in dots],
                s=size, marker=shape, facecolors=face, edgecolors=colour, linewidths=1.2, zorder=3,
                label=rows[0].model if dots is (best or others) else None,
            )  # fmt: skip
    finish_axes(axes, "decoding time relative to the deepest depth pair", table.measure.title)
    if table.measure.lower_is_better:
        axes.invert_yaxis()
    if len(table.systems) > 1:
        axes.legend(loc="lower right", fontsize=9, frameon=True)
    figure.tight_layout()
    points = [(row.relative_seconds, score) for row in table.rows for score in (row.score, *row.interval)]
    write_labels(axes, front, [row.pair_text for row in table.front], points)
    save_figure(figure, path)


def finish_axes(axes: Any, horizontal: str, vertical: str) -> None:
    """Name the *axes*, and give them margins and a grid."""
    axes.margins(0.1, 0.14)
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.grid(color="#e6e6e6", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_whiskers(axes: Any, rows: Sequence[SweepRow], colour: str) -> None:
    """Draw the 95 % interval of each row's score, darker on the Pareto front."""
    for row in rows:
        axes.plot(
            [row.relative_seconds] * len(row.interval), row.interval, color=colour, zorder=2,
            linewidth=1, marker="_", markersize=5, alpha=0.75 if row.pareto else 0.3,
        )  # fmt: skip


def write_labels(axes: Any, anchors: Sequence[Point], labels: Sequence[str], points: Sequence[Point]) -> None:
    """Write *labels* beside their *anchors*, each where it covers no other label and none of the *points*.

    A label for which there is no such place is left out: the page's tables have its depth pair.
    """
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
            text.remove()


def _text_box(text: Any, renderer: Any) -> Any:
    """The bounding box of an annotation's text, without its line."""
    from matplotlib.text import Text

    return Text.get_window_extent(text, renderer).expanded(1.04, 1.1)
