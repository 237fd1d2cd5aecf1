"""The table and the picture of multi30k.sh: BLEU at every depth, of every system.

    python -m recipes.flexible_depth.multi30k WORK_DIR
"""

import argparse
import json
from pathlib import Path
from typing import Dict, List, Tuple

from recipes.common.figure import pyplot, save_figure

SYSTEMS = {"layerdrop": "LayerDrop", "mt-head": "MT, Head", "mt-optimal": "MT, Optimal"}
Pair = Tuple[int, int]


def read(path: Path) -> Dict[Pair, float]:
    """BLEU by (encoder depth, decoder depth)."""
    rows = json.loads((path / "sweep" / "sweep.json").read_text(encoding="utf-8"))
    return {(row["enc_layers"], row["dec_layers"]): row["bleu"] for row in rows}


def table(baseline: Dict[Pair, float], systems: Dict[str, Dict[Pair, float]]) -> str:
    """A row a depth pair, and the mean: Baseline, and each system with its difference from it."""

    def row(name: str, reference: float, values: List[float]) -> str:
        cells = [f"{value:.1f} ({value - reference:+.1f})" for value in values]
        return f"| {name} | {reference:.1f} | " + " | ".join(cells) + " |"

    lines = ["| encoder, decoder | Baseline | " + " | ".join(systems) + " |", "| --- |" + " --: |" * (1 + len(systems))]
    for pair, reference in sorted(baseline.items()):
        lines.append(row(f"{pair[0]}, {pair[1]}", reference, [bleu[pair] for bleu in systems.values()]))
    means = [sum(bleu[pair] for pair in baseline) / len(baseline) for bleu in systems.values()]
    lines.append(row("mean", sum(baseline.values()) / len(baseline), means))
    return "\n".join(lines)


def draw(baseline: Dict[Pair, float], systems: Dict[str, Dict[Pair, float]], path: Path) -> None:
    """BLEU against encoder depth, a panel a decoder depth."""
    decoder_depths = sorted({m for _, m in baseline})
    figure, panels = pyplot().subplots(1, len(decoder_depths), figsize=(9, 3.6), sharey=True)
    for panel, m in zip(panels, decoder_depths):
        for name, bleu in {"Baseline": baseline, **systems}.items():
            encoder_depths = sorted(n for n, depth in baseline if depth == m)
            panel.plot(encoder_depths, [bleu[n, m] for n in encoder_depths], "o-", label=name)
        panel.set_title(f"{m} decoder layer{'s' if m > 1 else ''}")
        panel.set_xlabel("encoder layers")
    panels[0].set_ylabel("BLEU")
    panels[-1].legend()
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK_DIR")
    work = parser.parse_args().work
    baseline: Dict[Pair, float] = {}
    for folder in sorted(work.glob("baseline-*")):
        baseline.update(read(folder))
    systems = {name: read(work / folder) for folder, name in SYSTEMS.items()}
    draw(baseline, systems, work / "bleu.png")
    (work / "bleu.md").write_text(table(baseline, systems) + "\n", encoding="utf-8")
    print(table(baseline, systems))


if __name__ == "__main__":
    main()
