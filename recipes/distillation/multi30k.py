"""The tables and the picture of multi30k.sh: BLEU by kind of distillation, and against the share of pruned weights.

    python -m recipes.distillation.multi30k WORK_DIR
"""

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

from recipes.common.figure import pyplot, save_figure

SYSTEMS = {
    "teacher": "Teacher, 6-6",
    "no-kd": "No KD, 2-2",
    "word-kd": "Word-KD",
    "seq-kd": "Seq-KD",
    "seq-inter": "Seq-Inter",
    "pkd": "PKD",
    "ckd-rc": "CKD, RC",
    "ckd-oc": "CKD, OC",
    "ckd-sc": "CKD, SC",
    "ckd-cc": "CKD, CC",
    "ckd-rc-released": "CKD, RC, as released",
}


def read(folder: Path, beam: int) -> Dict[str, Any]:
    """The row of ``sweep.json``: there is one, of the model's only depth."""
    (row,) = json.loads((folder / f"beam{beam}" / "sweep.json").read_text(encoding="utf-8"))
    return row


def table(work: Path) -> str:
    """A row a system: BLEU and chrF, greedily and with beam 5, and the differences from No KD."""
    base = {beam: read(work / "no-kd", beam)["bleu"] for beam in (1, 5)}
    lines = ["| system | BLEU, greedy | BLEU, beam 5 | chrF, greedy | chrF, beam 5 |", "| --- |" + " --: |" * 4]
    for folder, name in SYSTEMS.items():
        rows = {beam: read(work / folder, beam) for beam in (1, 5)}
        bleu = [
            f"{rows[beam]['bleu']:.1f}" + ("" if folder == "no-kd" else f" ({rows[beam]['bleu'] - base[beam]:+.1f})")
            for beam in (1, 5)
        ]
        lines.append(f"| {name} | " + " | ".join([*bleu, *(f"{rows[beam]['chrf']:.1f}" for beam in (1, 5))]) + " |")
    return "\n".join(lines)


def pruning(work: Path) -> List[Tuple[int, int, float, float]]:
    """By share of pruned weights, in per cent: parameters left, BLEU with beam 5 as pruned, and retrained."""
    points = []
    for folder in work.glob("pruned-*"):
        percent = int(folder.name.rpartition("-")[2])
        left = json.loads((folder / "prune.json").read_text(encoding="utf-8"))["nonzero"]
        points.append((percent, left, read(folder, 5)["bleu"], read(work / f"retrained-{percent}", 5)["bleu"]))
    return sorted(points)


def pruning_table(points: List[Tuple[int, int, float, float]], whole: float) -> str:
    lines = ["| pruned | parameters left | BLEU as pruned | BLEU retrained |", "| --: | --: | --: | --: |"]
    lines.append(f"| 0 % | | {whole:.1f} | |")
    lines += [f"| {percent} % | {left:,} | {cut:.1f} | {again:.1f} |" for percent, left, cut, again in points]
    return "\n".join(lines)


def draw(points: List[Tuple[int, int, float, float]], whole: float, path: Path) -> None:
    figure, axes = pyplot().subplots(figsize=(6, 4))
    percent = [0, *(point[0] for point in points)]
    axes.plot(percent, [whole, *(point[2] for point in points)], "o-", label="as pruned")
    axes.plot(percent, [whole, *(point[3] for point in points)], "o-", label="retrained")
    axes.set_xlabel("pruned weights, %")
    axes.set_ylabel("BLEU, beam 5")
    axes.legend()
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK_DIR")
    work = parser.parse_args().work
    points, whole = pruning(work), read(work / "seq-kd", 5)["bleu"]
    text = table(work) + "\n\n" + pruning_table(points, whole) + "\n"
    draw(points, whole, work / "pruning.png")
    (work / "bleu.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
