"""A picture with one row per encoder depth, one column per decoder depth, and a colour per depth pair."""

from typing import Dict, Sequence

from fairseq_flexdepth.corpus.sweep_rows import SweepRow
from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.files.outputs import save_figure


def draw_sweep_heatmap(rows: Sequence[SweepRow], path: str) -> None:
    """Draw the quality of one model's *rows* by colour, with quality and speed written into the cells."""
    measure = rows[0].measure
    draw_heatmap(
        {row.pair: row.score for row in rows},
        {row.pair: f"{row.score:.1f}\n{row.sentences_per_second:.0f} sent/s" for row in rows},
        f"{measure.title} and speed at every depth pair",
        measure.title,
        path,
        lower_is_better=measure.lower_is_better,
    )


def draw_heatmap(
    values: Dict[DepthPair, float],
    texts: Dict[DepthPair, str],
    title: str,
    label: str,
    path: str,
    lower_is_better: bool = False,
) -> None:
    """Draw *values* by colour, with *texts* written into the cells; cells of missing depth pairs stay blank.

    Args:
        values: one value per depth pair.
        texts: the text in its cell.
        title: written above the map.
        label: the name of the values, written beside the colour bar.
        path: the PNG file.
        lower_is_better: whether low values get the bright colours, which high values have by default.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    encoder = sorted({n for n, _ in values})
    decoder = sorted({m for _, m in values})
    grid = [[float("nan")] * len(decoder) for _ in encoder]
    figure, axes = pyplot.subplots(figsize=(1.6 + 1.15 * len(decoder), 1.2 + 0.85 * len(encoder)))
    low, high = min(values.values()), max(values.values())
    for (n, m), value in values.items():
        row, column = encoder.index(n), decoder.index(m)
        grid[row][column] = value
        dark = value > (low + high) / 2 if lower_is_better else value < (low + high) / 2
        color = "white" if dark else "black"
        axes.text(column, row, texts[n, m], ha="center", va="center", color=color, fontsize=9)
    image = axes.imshow(grid, cmap="viridis_r" if lower_is_better else "viridis", aspect="auto")
    axes.set_xticks(range(len(decoder)), labels=decoder)
    axes.set_yticks(range(len(encoder)), labels=encoder)
    axes.set_xlabel("decoder layers")
    axes.set_ylabel("encoder layers")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label=label)
    figure.tight_layout()
    save_figure(figure, path)
