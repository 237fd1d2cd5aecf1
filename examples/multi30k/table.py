"""Print the tables of README.md from the results of ``sweep``: table.py WORK_DIR."""

import json
import sys
from pathlib import Path
from typing import Any, Dict, List


def rows(work: Path, model: str) -> List[Dict[str, Any]]:
    """Return the rows of a model's ``sweep.json``; none if it was not decoded."""
    path = work / f"sweep-{model}" / "sweep.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def depth_table(work: Path) -> str:
    """Return BLEU / chrF of the tied-multi model at every depth pair, as Markdown."""
    tied = {(row["enc_layers"], row["dec_layers"]): row for row in rows(work, "tied-multi")}
    decoder = sorted({m for _, m in tied})
    lines = [
        "| encoder \\ decoder | " + " | ".join(map(str, decoder)) + " |",
        "|--:|" + ":-:|" * len(decoder),
    ]
    for n in sorted({n for n, _ in tied}):
        cells = [f"{tied[n, m]['bleu']:.1f} / {tied[n, m]['chrf']:.1f}" for m in decoder]
        lines.append(f"| {n} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def comparison_table(work: Path) -> str:
    """Return quality and speed of the tied-multi model and of separate vanilla models, as Markdown."""
    lines = [
        "| depth | BLEU: tied-multi | vanilla | chrF: tied-multi | vanilla | sentences/s: tied-multi | vanilla |",
        "|:-:|--:|--:|--:|--:|--:|--:|",
    ]
    tied = {(row["enc_layers"], row["dec_layers"]): row for row in rows(work, "tied-multi")}
    for depth in (1, 2, 3):
        ours = tied[depth, depth]
        (vanilla,) = rows(work, f"vanilla-{depth}-{depth}")
        cells = [
            f"{model[key]:.1f}" for key in ("bleu", "chrf", "sentences_per_second") for model in (ours, vanilla)
        ]
        lines.append(f"| ({depth}, {depth}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(depth_table(folder), comparison_table(folder), sep="\n\n")
    print("\nsacrebleu:", rows(folder, "tied-multi")[0]["bleu_signature"])
