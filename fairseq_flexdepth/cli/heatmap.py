"""A heatmap of quality over depths: a row for each encoder depth, a column for each decoder depth."""

import os
from typing import Any, Dict, List


def draw_heatmap(rows: List[Dict[str, Any]], path: str) -> None:
    """Draw BLEU by colour, with BLEU and sentences/s written into every cell.

    Args:
        rows: the rows of ``sweep.json``; pairs that are missing stay blank.
        path: the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    encoder = sorted({row["enc_layers"] for row in rows})
    decoder = sorted({row["dec_layers"] for row in rows})
    grid = [[float("nan")] * len(decoder) for _ in encoder]
    figure, axes = pyplot.subplots(figsize=(1.6 + 1.15 * len(decoder), 1.2 + 0.85 * len(encoder)))
    for row in rows:
        grid[encoder.index(row["enc_layers"])][decoder.index(row["dec_layers"])] = row["bleu"]
    low, high = min(row["bleu"] for row in rows), max(row["bleu"] for row in rows)
    image = axes.imshow(grid, cmap="viridis", aspect="auto")
    for row in rows:
        dark = row["bleu"] < (low + high) / 2
        axes.text(
            decoder.index(row["dec_layers"]),
            encoder.index(row["enc_layers"]),
            f"{row['bleu']:.1f}\n{row['sentences_per_second']:.0f} sent/s",
            ha="center",
            va="center",
            color="white" if dark else "black",
            fontsize=9,
        )
    axes.set_xticks(range(len(decoder)), labels=decoder)
    axes.set_yticks(range(len(encoder)), labels=encoder)
    axes.set_xlabel("decoder layers")
    axes.set_ylabel("encoder layers")
    axes.set_title("BLEU and speed at every depth", fontsize=10)
    figure.colorbar(image, ax=axes, label="BLEU")
    figure.tight_layout()
    partial = f"{path}.part"
    figure.savefig(partial, dpi=150, format="png")
    pyplot.close(figure)
    os.replace(partial, path)
