"""The forest plot: the papers' effects beside ours, with intervals."""

from pathlib import Path
from typing import List

from recipes.common.figure import pyplot, save_figure
from recipes.findings.results import Result
from recipes.findings.verdict import CONTRADICTED, HELD, UNDECIDED

COLORS = {HELD: "C2", CONTRADICTED: "C3", UNDECIDED: "0.5"}


def draw(found: List[Result], path: Path) -> None:
    """Draw one line per comparison. The axis counts smallest effects that matter, so that all units share it.

    An open diamond is the paper's effect, a filled dot ours, with its 95 % interval; the axis is logarithmic beyond ±1.
    """
    lines = [(one.finding.id, part) for one in found for part in one.parts]
    figure, axes = pyplot().subplots(figsize=(10, 1.4 + 0.26 * len(lines)))
    for place, (_, part) in enumerate(lines):
        smallest, color = part.part.smallest, COLORS[part.judged.verdict]
        if part.part.paper is not None:
            axes.plot(part.part.paper / smallest, place, "D", markerfacecolor="none", markeredgecolor="k", markersize=5)
        if part.estimate is not None:
            axes.plot(part.estimate.value / smallest, place, "o", color=color, markersize=4)
        if part.judged.interval is not None:
            axes.plot([bound / smallest for bound in part.judged.interval], [place, place], "-", color=color)
    axes.set_xscale("symlog", linthresh=1)
    axes.axvline(0, color="k", linewidth=0.8)
    for border in (-1, 1):
        axes.axvline(border, color="k", linewidth=0.6, linestyle=":")
    axes.set_yticks(range(len(lines)))
    axes.set_yticklabels([f"{name}: {part.part.name} ({part.part.claim})" for name, part in lines], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("effect, in smallest effects that matter")
    axes.plot([], [], "D", markerfacecolor="none", markeredgecolor="k", label="paper")
    for verdict, color in COLORS.items():
        axes.plot([], [], "o-", color=color, label=verdict)
    axes.legend(fontsize=7)
    save_figure(figure, path)
