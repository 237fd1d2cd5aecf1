"""Draw Figure 2 of [dabre2020]: how often the oracle chooses each depth pair, as a histogram and a table.

    python -m recipes.tied_multi.figure2 VANILLA_LABELS TIED_LABELS --output FOLDER/NAME

The labels are folders that ``fairseq-flexdepth oracle`` wrote for the test set: one for separately trained models, one
for the tied-multi model.
"""

import argparse
from pathlib import Path
from typing import Dict

from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.files.depth_labels import load_labels
from recipes.common.figure import pyplot, save_plot
from recipes.common.markdown import markdown_table


def shares(folder: Path) -> Dict[DepthPair, float]:
    """Return the percentage of test sentences for which the oracle chooses each depth pair."""
    labels = load_labels(str(folder), "test", "LABELS")
    chosen = labels.oracle[labels.labelled]
    return {pair: 100 * float((chosen == column).mean()) for column, pair in enumerate(labels.pairs)}


def table(models: Dict[str, Dict[DepthPair, float]]) -> str:
    """Return a Markdown table with one row per depth pair."""
    rows = [
        [*pair, *(f"{found.get(pair, 0):.1f}" for found in models.values())]
        for pair in sorted(set().union(*models.values()))
    ]
    return markdown_table(["encoder", "decoder", *(f"{name}, %" for name in models)], rows, "r" * (2 + len(models)))


def draw(models: Dict[str, Dict[DepthPair, float]], path: Path) -> None:
    """Draw the bars of all models side by side, for each depth pair."""
    pairs = sorted(set().union(*models.values()))
    figure, axes = pyplot().subplots(figsize=(2 + 0.35 * len(pairs), 4))
    width = 0.8 / len(models)
    for number, (name, found) in enumerate(models.items()):
        places = [place + number * width for place in range(len(pairs))]
        axes.bar(places, [found.get(pair, 0) for pair in pairs], width, label=name)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(pairs))])
    axes.set_xticklabels([f"{n},{m}" for n, m in pairs], rotation=90)
    save_plot(figure, axes, path, "encoder, decoder layers", "% of the sentences")


def main() -> None:
    """Write the table and the picture, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vanilla", type=Path, metavar="VANILLA_LABELS")
    parser.add_argument("tied", type=Path, metavar="TIED_LABELS")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER/NAME", help="without .md and .png")
    args = parser.parse_args()
    models = {"separate models": shares(args.vanilla), "tied-multi": shares(args.tied)}
    text = table(models) + "\n"
    Path(f"{args.output}.md").write_text(text, encoding="utf-8")
    draw(models, Path(f"{args.output}.png"))
    print(text, end="")


if __name__ == "__main__":
    main()
