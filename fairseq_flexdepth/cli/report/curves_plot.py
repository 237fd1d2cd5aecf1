"""The picture of validation results over updates: one column per training, one row per metric."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.files.outputs import save_figure

if TYPE_CHECKING:
    from fairseq_flexdepth.cli.curves import Curve, Run

STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
WHOLE: Dict[str, Any] = {"color": "#444444", "linestyle": "-", "marker": "o"}  # the line of a model as a whole


def draw_curves(trainings: Sequence["Run"], path: str) -> None:
    """Draw the curves to the PNG file *path*.

    The decoder depth is the colour of a line; the encoder depth is its style and its mark. The axes of a row have one
    range, so that trainings can be compared.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curves = [curve for training in trainings for curve in training.curves]
    metrics = list(dict.fromkeys(curve.metric for curve in curves))
    encoder, decoder = (sorted({curve.pair[side] for curve in curves if curve.pair}) for side in (0, 1))
    shades = dict(
        zip(decoder, pyplot.get_cmap("viridis")([index / max(len(decoder), 1) for index in range(len(decoder))]))
    )

    def look(pair: Optional[DepthPair]) -> Any:
        if pair is None:
            return WHOLE
        place = encoder.index(pair[0])
        return {
            "color": shades[pair[1]], "linestyle": STYLES[place % len(STYLES)], "marker": MARKERS[place % len(MARKERS)],
        }  # fmt: skip

    figure, grid = pyplot.subplots(
        len(metrics), len(trainings), squeeze=False, sharex=True, sharey="row",
        figsize=(1.9 + 4.2 * len(trainings), 0.6 + 3.4 * len(metrics)),
    )  # fmt: skip
    for row, metric in zip(grid, metrics):
        row[0].set_ylabel(metric.title)
        for axes, training in zip(row, trainings):
            _draw(axes, [curve for curve in training.curves if curve.metric == metric], look)
    for axes, training in zip(grid[0], trainings):
        axes.set_title(training.name, fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("updates")
    _legend(figure, encoder, decoder, shades, any(curve.pair is None for curve in curves))
    save_figure(figure, path)


def _draw(axes: Any, curves: Sequence["Curve"], look: Any) -> None:
    """Draw the curves of one training and one metric."""
    for curve in curves:
        updates = sorted(curve.values)
        values = [curve.values[update] for update in updates]
        axes.plot(updates, values, markersize=3.5, linewidth=1.2, **look(curve.pair))
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend(figure: Any, encoder: List[int], decoder: List[int], shades: Any, whole: bool) -> None:
    """Explain colours, styles and marks to the right of the plots."""
    from matplotlib.lines import Line2D

    entries = [Line2D([], [], color=shades[m], linewidth=3, label=f"decoder {m}") for m in decoder]
    entries += [
        Line2D(
            [], [], color="#444444", linestyle=STYLES[index % len(STYLES)], marker=MARKERS[index % len(MARKERS)],
            markersize=3.5, label=f"encoder {n}",
        )
        for index, n in enumerate(encoder)
        if n  # 0: a language model
    ]  # fmt: skip
    if whole:
        entries.append(Line2D([], [], label="whole model", markersize=3.5, **WHOLE))
    width = figure.get_figwidth()
    figure.tight_layout(rect=(0, 0, 1 - 1.4 / width, 1))
    figure.legend(handles=entries, loc="center right", fontsize=8, frameon=False)
