"""BLEU of LayerDrop models by what is pruned of them: a heatmap for each probability p of dropping a layer in training.

    python -m recipes.flexible_depth.figure1 WORK --layers N M --system 'layerdrop-p{p}' --output FOLDER/NAME P...

A star is where as much is pruned as was dropped in training, p' = p on both sides. The table says what each model
reaches at the depths nearest to it, unpruned, and with one layer a side.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Tuple

from recipes.common.cells import Measurements
from recipes.common.figure import pyplot, save_figure

Pair = Tuple[int, int]  # encoder, decoder layers
Grid = Dict[Pair, float]  # BLEU


def read_grid(measurements: Measurements, system: str, layers: Pair) -> Grid:
    """The mean over the seeds at every depth of a model of so many layers.

    Raises:
        ValueError: one of the depths was not measured.
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
    """How many layers are left, to the nearest and at least one, where this share of them is pruned."""
    return max(1, round(layers * (1 - pruned)))


def table(grids: Dict[str, Grid], layers: Pair) -> str:
    """A row a model."""
    lines = ["| p | unpruned | pruned by p | at depths | one layer a side |", "| --: | --: | --: | --- | --: |"]
    for p, grid in grids.items():
        star = kept(layers[0], float(p)), kept(layers[1], float(p))
        lines.append(f"| {p} | {grid[layers]:.2f} | {grid[star]:.2f} | {star[0]}, {star[1]} | {grid[1, 1]:.2f} |")
    return "\n".join(lines)


def draw(grids: Dict[str, Grid], layers: Pair, path: Path) -> None:
    """The maps side by side, all in the same colours, with the whole model in the lower left corner."""
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
    set_ticks(list(range(layers)))
    set_labels([f"{pruned}/{layers}" if pruned else "0" for pruned in range(layers)], fontsize=7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("dropped", nargs="+", metavar="P", help="of each model, as its name says it")
    parser.add_argument("--layers", type=int, nargs=2, required=True, metavar=("N", "M"), help="encoder, decoder")
    parser.add_argument("--system", required=True, metavar="NAME", help="of the models, with {p} for P")
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
