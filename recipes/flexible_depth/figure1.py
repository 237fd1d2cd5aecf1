"""Draw Figure 1 of [wang2020]: BLEU of LayerDrop models by the share of layers pruned at decoding.

    python -m recipes.flexible_depth.figure1 WORK --layers N M --system 'layerdrop-p{p}' --output FOLDER/NAME P...

There is one heatmap for each probability p of dropping a layer in training. A star marks the point where the pruned
share p' equals p on both sides. The table gives each model's BLEU unpruned, at the depth pair nearest to the star, and
with one layer per side.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Tuple

from recipes.common.cells import Measurements
from recipes.common.figure import pyplot, save_figure
from recipes.common.markdown import markdown_table

Pair = Tuple[int, int]  # encoder, decoder layers
Grid = Dict[Pair, float]  # BLEU


def read_grid(measurements: Measurements, system: str, layers: Pair) -> Grid:
    """Return a system's BLEU at every depth pair, averaged over the seeds.

    Args:
        measurements: the measured values.
        system: the name of the system.
        layers: its encoder and decoder layers.

    Raises:
        ValueError: one of the depth pairs was not measured.
    """
    grid: Grid = {}
    for n in range(1, layers[0] + 1):
        for m in range(1, layers[1] + 1):
            bleu = measurements.value(f"{system}/test/sweep:bleu@{n},{m}", {})
            if bleu is None:
                raise ValueError(f"WORK {measurements.work}: {system} was not measured at ({n}, {m})")
            grid[n, m] = bleu
    return grid


def kept(layers: int, pruned: float) -> int:
    """Return the number of layers left when the share *pruned* is pruned: rounded, and at least one."""
    return max(1, round(layers * (1 - pruned)))


def table(grids: Dict[str, Grid], layers: Pair) -> str:
    """Return a Markdown table with one row per model."""
    rows = []
    for p, grid in grids.items():
        star = kept(layers[0], float(p)), kept(layers[1], float(p))
        rows.append([p, f"{grid[layers]:.2f}", f"{grid[star]:.2f}", f"{star[0]}, {star[1]}", f"{grid[1, 1]:.2f}"])
    return markdown_table(["p", "unpruned", "pruned by p", "at depths", "one layer per side"], rows, "rrrlr")


def draw(grids: Dict[str, Grid], layers: Pair, path: Path) -> None:
    """Draw the heatmaps side by side in the same colours; the whole model is in the lower left corner."""
    encoder, decoder = layers
    high = max(max(grid.values()) for grid in grids.values())
    size = (1 + (0.5 + 0.4 * decoder) * len(grids), 1.2 + 0.32 * encoder)
    figure, panels = pyplot().subplots(1, len(grids), sharey=True, squeeze=False, figsize=size)
    for (p, grid), axes in zip(grids.items(), panels[0]):
        values = [[grid[encoder - row, decoder - column] for column in range(decoder)] for row in range(encoder)]
        axes.imshow(values, cmap="viridis", vmin=0, vmax=high, aspect="auto", origin="lower")
        for row, line in enumerate(values):
            for column, bleu in enumerate(line):
                color = "white" if bleu < high / 2 else "black"
                axes.text(column, row, f"{bleu:.0f}", ha="center", va="center", color=color, fontsize=7)
        axes.plot(float(p) * decoder, float(p) * encoder, "*", color="none", markersize=24, markeredgecolor="red")
        _mark(axes.set_xticks, axes.set_xticklabels, decoder)
        axes.set_title(f"p = {p}", fontsize=9)
        axes.set_xlabel("decoder, share pruned", fontsize=8)
    _mark(panels[0][0].set_yticks, panels[0][0].set_yticklabels, encoder)
    panels[0][0].set_ylabel("encoder, share pruned (cells: BLEU)", fontsize=8)
    save_figure(figure, path)


def _mark(set_ticks: Any, set_labels: Any, layers: int) -> None:
    """Label an axis with the shares pruned."""
    set_ticks(list(range(layers)))
    set_labels([f"{pruned}/{layers}" if pruned else "0" for pruned in range(layers)], fontsize=7)


def main() -> None:
    """Write the table and the picture, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("dropped", nargs="+", metavar="P", help="p of each model, as written in its name")
    parser.add_argument("--layers", type=int, nargs=2, required=True, metavar=("N", "M"), help="layers per side")
    parser.add_argument("--system", required=True, metavar="NAME", help="name of the models, with {p} for P")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER/NAME", help="without .md and .png")
    args = parser.parse_args()
    layers: Pair = (args.layers[0], args.layers[1])
    measurements = Measurements(args.work)
    grids = {p: read_grid(measurements, args.system.format(p=p), layers) for p in args.dropped}
    notes: List[str] = [f"sacrebleu: `{signature}`." for signature in sorted(measurements.signatures)]
    text = "\n\n".join([table(grids, layers), *notes]) + "\n"
    Path(f"{args.output}.md").write_text(text, encoding="utf-8")
    draw(grids, layers, Path(f"{args.output}.png"))
    print(text, end="")


if __name__ == "__main__":
    main()
