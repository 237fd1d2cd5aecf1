"""How often each depth is the oracle's: a histogram of several sets of models, and the same as a table.

    python -m recipes.tied_multi.figure2 VANILLA_LABELS TIED_LABELS --output FOLDER/NAME

LABELS are folders that ``fairseq-flexdepth oracle`` wrote for the test set.
"""

import argparse
from pathlib import Path
from typing import Dict

from fairseq_flexdepth.depth.space import DepthPair
from fairseq_flexdepth.files.depth_labels import load_labels
from recipes.common.figure import pyplot, save_figure


def shares(folder: Path) -> Dict[DepthPair, float]:
    """The percentage of a test set's sentences whose oracle each pair is."""
    labels = load_labels(str(folder), "test", "LABELS")
    chosen = labels.oracle[labels.labelled]
    return {pair: 100 * float((chosen == column).mean()) for column, pair in enumerate(labels.pairs)}


def table(models: Dict[str, Dict[DepthPair, float]]) -> str:
    """A row for each pair."""
    lines = ["| encoder | decoder | " + " | ".join(f"{name}, %" for name in models) + " |"]
    lines.append("|" + " --: |" * (2 + len(models)))
    for pair in sorted(set().union(*models.values())):
        cells = [f"{found.get(pair, 0):.1f}" for found in models.values()]
        lines.append(f"| {pair[0]} | {pair[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(models: Dict[str, Dict[DepthPair, float]], path: Path) -> None:
    """Bars side by side for each pair."""
    pairs = sorted(set().union(*models.values()))
    figure, axes = pyplot().subplots(figsize=(2 + 0.35 * len(pairs), 4))
    width = 0.8 / len(models)
    for number, (name, found) in enumerate(models.items()):
        places = [place + number * width for place in range(len(pairs))]
        axes.bar(places, [found.get(pair, 0) for pair in pairs], width, label=name)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(pairs))])
    axes.set_xticklabels([f"{n},{m}" for n, m in pairs], rotation=90)
    axes.set_xlabel("encoder, decoder layers")
    axes.set_ylabel("% of the sentences")
    axes.legend()
    save_figure(figure, path)


def main() -> None:
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
