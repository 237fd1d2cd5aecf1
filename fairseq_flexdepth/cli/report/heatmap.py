"""A heatmap over depths: a row for each encoder depth, a column for each decoder depth."""

from typing import Dict

from fairseq_flexdepth.depth.space import DepthPair
from fairseq_flexdepth.files.outputs import save_figure


def draw_heatmap(
    values: Dict[DepthPair, float], texts: Dict[DepthPair, str], title: str, label: str, path: str
) -> None:
    """Draw *values* by colour, with *texts* written into the cells; pairs that are missing stay blank.

    Args:
        values: one for each depth pair.
        texts: what its cell says.
        title: above the map.
        label: what the colours mean.
        path: the PNG file.
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
        color = "white" if value < (low + high) / 2 else "black"
        axes.text(column, row, texts[n, m], ha="center", va="center", color=color, fontsize=9)
    image = axes.imshow(grid, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(decoder)), labels=decoder)
    axes.set_yticks(range(len(encoder)), labels=encoder)
    axes.set_xlabel("decoder layers")
    axes.set_ylabel("encoder layers")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label=label)
    figure.tight_layout()
    save_figure(figure, path)
