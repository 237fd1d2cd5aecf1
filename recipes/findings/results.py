"""What was measured of every finding, and the verdicts."""

import tempfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from recipes.common import convergence
from recipes.common.cells import Measurements
from recipes.findings.effect import Missing, measure
from recipes.findings.finding import Finding, Part
from recipes.findings.intervals import Estimate
from recipes.findings.restore import restore
from recipes.findings.verdict import UNDECIDED, PartVerdict, combined, judge


class PartResult(NamedTuple):
    """A comparison, as measured here."""

    part: Part
    estimate: Optional[Estimate]  # None if it was not measured
    judged: PartVerdict
    missing: str  # why it was not measured; empty if it was


class Result(NamedTuple):
    """A finding, as measured here."""

    finding: Finding
    data: str
    scale: str
    parts: List[PartResult]
    unfinished: List[str]  # trainings that had not converged
    stale: List[str]  # systems of this paper whose records were left out

    @property
    def verdict(self) -> str:
        """The verdict on the finding."""
        return combined([one.judged.verdict for one in self.parts])


def compare(finding: Finding, work: Path, data: str, scale: str, stale: List[str]) -> Result:
    """Return the result of a finding.

    Args:
        finding: the finding.
        work: the folder of all systems: of a recipe, or restored from records.
        data: the data set that they were trained on.
        scale: smoke, small or paper.
        stale: the stale records of the same folder.
    """
    measurements, row = Measurements(work), {"data": data}
    parts = []
    for part in finding.parts:
        found = measure(part, measurements, row)
        if isinstance(found, Missing):
            parts.append(PartResult(part, None, PartVerdict(UNDECIDED, None, None), found.reason))
            continue
        judged = judge(found, part.claim, part.smallest, part.test == "exact", len(finding.parts))
        parts.append(PartResult(part, found, judged, ""))
    unfinished = {
        training
        for part in finding.parts
        for cell in part.cells
        for training in convergence.not_converged(measurements, cell, row)
    }
    systems = {name for part in finding.parts for cell in part.cells for name in _named_systems(cell.format(**row))}
    return Result(
        finding, data, scale, parts, sorted(unfinished), [one for one in stale if one.partition("/")[0] in systems]
    )


def _named_systems(cell: str) -> List[str]:
    return [one.partition("/")[0] for one in cell.replace(" / ", " - ").split(" - ")]


def results(
    findings: List[Finding], records: Path, scale: str, data: Optional[str] = None, work: Optional[Path] = None
) -> List[Result]:
    """Return the results of findings.

    Args:
        findings: the findings.
        records: the folder of all records.
        scale: smoke, small or paper.
        data: the data set; ``None``: the one that each finding names.
        work: a folder that a recipe wrote, in place of the records.
    """
    found = []
    restored: Dict[Path, List[str]] = {}  # stale records by the folder of the restored ones
    with tempfile.TemporaryDirectory() as folder:
        for finding in findings:
            name = data or finding.data
            place = work or Path(folder, finding.paper, name)
            if work is None and place not in restored:
                restored[place] = restore(records / scale / finding.paper / name, place)
            found.append(compare(finding, place, name, scale, restored.get(place, [])))
    return found
