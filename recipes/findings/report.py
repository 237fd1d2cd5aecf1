"""Print the verdicts on the papers' findings.

    python -m recipes.findings.report [ID...] [--json] [--output FOLDER/NAME] [--data DATA] [--work WORK]

ID is a finding, such as dabre2020/3, or a paper; default: all. The values come from the records in recipes/results, or
from WORK, the folder of a recipe. FOLDER/NAME.md and FOLDER/NAME.png are the table and the forest plot.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Optional

from recipes.common import convergence
from recipes.common.markdown import markdown_table
from recipes.findings.finding import chosen_findings
from recipes.findings.forest import draw
from recipes.findings.intervals import MOST_SEEDS, Interval
from recipes.findings.record import RESULTS
from recipes.findings.results import PartResult, Result, results
from recipes.findings.verdict import UNDECIDED, counts

CHANGED = "§"
CLAIMS = {"above": "> 0, at least {:g}", "equal": "within ±{:g}", "not below": "> -{:g}"}


def table(found: List[Result]) -> str:
    """Return the Markdown table: one row per comparison; the first row of a finding has its verdict."""
    rows = []
    for one in found:
        for number, part in enumerate(one.parts):
            marks = (CHANGED if one.finding.changed else "") + (convergence.MARK if one.unfinished else "")
            first = [one.finding.id, one.finding.statement, f"**{one.verdict}**{marks}"] if not number else ["", "", ""]
            measured = [part.part.name, part.part.unit, *_numbers(part), _seeds(part), part.judged.verdict]
            rows.append([*first[:2], *measured, first[2]])
    heads = ["finding", "statement", "comparison", "unit", "claim", "paper", "here [95 %]", "seeds", "", "verdict"]
    return markdown_table(heads, rows, "lllllrrrll")


def _numbers(one: PartResult) -> List[str]:
    digits = max(1, 1 - math.floor(math.log10(one.part.smallest)))
    claim = CLAIMS[one.part.claim].format(one.part.smallest)
    paper = "" if one.part.paper is None else f"{one.part.paper:.{digits}f}"
    return [claim, paper, _measured(one, digits)]


def _measured(one: PartResult, digits: int) -> str:
    if one.estimate is None:
        return "not measured"
    value = f"{one.estimate.value:.{digits}f}"
    if one.part.test == "exact" or one.judged.interval is None:
        return value
    return f"{value} [{one.judged.interval.low:.{digits}f}, {one.judged.interval.high:.{digits}f}]"


def _seeds(one: PartResult) -> str:
    return "" if one.estimate is None else str(one.estimate.seeds)


def notes(found: List[Result]) -> str:
    """Return the notes below the table: what would decide, what is stale or not converged, and changed rules."""
    number = counts([one.verdict for one in found])
    total = ", ".join(f"{count} {verdict}" for verdict, count in number.items())
    lines = [f"Of {len(found)} findings: {total}. SCALE={'/'.join(sorted({one.scale for one in found}))}."]
    lines += [f"{one.finding.id} ({one.data}): {wish}" for one in found for wish in wishes(one)]
    unfinished = sorted({training for one in found for training in one.unfinished})
    if unfinished:
        lines.append(convergence.note(unfinished))
    for stale in sorted({(one.finding.paper, name) for one in found for name in one.stale}):
        lines.append(f"Stale, not used: {stale[0]}, `{stale[1]}`; its commands are no longer the recipe's.")
    lines += [f"{CHANGED} {one.finding.id}: {one.finding.changed}" for one in found if one.finding.changed]
    return "\n".join(f"- {line}" for line in lines)


def wishes(result: Result) -> List[str]:
    """Return what would decide each undecided comparison of a finding."""
    found = []
    for one in result.parts:
        if one.judged.verdict != UNDECIDED:
            continue
        if one.estimate is None:
            wish = f"{one.missing} with any seed"
        elif one.judged.needed is None:
            wish = "needs 2 seeds at least"
        else:
            more = [_seeds_text(one.judged.needed.seeds, one.estimate.seeds)]
            if one.judged.needed.sentences is not None:
                more.append(f"{one.judged.needed.sentences:,} test sentences instead of {one.estimate.sentences:,}")
            wish = f"needs {' or '.join(more)} to be decided with probability 0.8"
        found.append(f"{one.part.name}: {wish}.")
    return found


def _seeds_text(seeds: Optional[int], now: int) -> str:
    return f"more than {MOST_SEEDS} seeds" if seeds is None else f"{seeds} seeds instead of {now}"


def markdown(found: List[Result]) -> str:
    """Return the table with its notes."""
    return f"{table(found)}\n\n{notes(found)}\n"


def as_json(found: List[Result]) -> List[Dict[str, Any]]:
    """Return the results as JSON values."""
    return [
        {
            **{"id": one.finding.id, "verdict": one.verdict, "data": one.data, "scale": one.scale},
            **{"changed": one.finding.changed, "not_converged": one.unfinished, "stale": one.stale},
            "parts": [_part_as_json(part) for part in one.parts],
        }
        for one in found
    ]


def _part_as_json(one: PartResult) -> Dict[str, Any]:
    bounds: Optional[Interval] = one.judged.interval
    return {
        **{"name": one.part.name, "verdict": one.judged.verdict, "unit": one.part.unit, "paper": one.part.paper},
        **{"claim": one.part.claim, "smallest": one.part.smallest, "test": one.part.test},
        "effect": None if one.estimate is None else one.estimate.value,
        "interval": None if bounds is None else list(bounds),
        "seeds": 0 if one.estimate is None else one.estimate.seeds,
        "sentences": 0 if one.estimate is None else one.estimate.sentences,
        "needed": None if one.judged.needed is None else one.judged.needed._asdict(),
    }


def main(arguments: Optional[List[str]] = None) -> None:
    """Print the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--output", type=Path, metavar="FOLDER/NAME", help="without .md and .png")
    parser.add_argument("--data", help="the data set (default: the one that each finding names)")
    parser.add_argument("--scale", default="small")
    parser.add_argument("--records", type=Path, default=RESULTS, metavar="FOLDER", help="folder of all records")
    parser.add_argument("--work", type=Path, metavar="WORK", help="folder of a recipe, in place of the records")
    args = parser.parse_args(arguments)
    try:
        found = results(chosen_findings(args.ids), args.records, args.scale, args.data, args.work)
    except ValueError as error:
        parser.exit(2, f"error: {error}\n")
    text = markdown(found)
    if args.output is not None:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{args.output}.md").write_text(text, encoding="utf-8")
        draw(found, Path(f"{args.output}.png"))
    print(json.dumps(as_json(found), indent=1) if args.json else text, end="\n" if args.json else "")


if __name__ == "__main__":
    main()
