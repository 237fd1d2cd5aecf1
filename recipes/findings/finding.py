"""The findings of the papers, as ``PAPER.json`` in this folder states them.

A finding has an ``id`` (a paper's key in docs/references.md, and a number), the ``section`` of the paper, a
``statement``, the ``recipes`` that train its systems, the ``data`` on which it is decided, and ``parts``, which must
all hold. ``changed`` says which rule was changed after a result was seen, and why; it is empty if none was. A part has

    name             of the comparison
    more, less       cells (recipes/common/cells.py); the effect is the sum of the former minus the sum of the latter
    divided_by       divides the effect, such as the number of cells that were summed (default: 1)
    unit, paper      the unit, and the paper's effect (null: the paper gives no number)
    claim            "above": the effect is positive; "equal": it is 0; "not below": it is not negative
    smallest         the smallest effect that matters, in the same unit
    test             "bootstrap" of BLEU over sentences and seeds; "seeds": any other value; "exact": without chance
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Type, TypeVar

FOLDER = Path(__file__).parent
RECIPES = FOLDER.parent
# the folder of each paper's recipes
PAPERS = {
    "dabre2020": "tied_multi",
    "wang2020": "flexible_depth",
    "kim2016": "sequence_kd",
    "takase2021": "layer_sharing",
    "wu2020": "ckd",
}
CLAIMS = ("above", "equal", "not below")
TESTS = ("bootstrap", "seeds", "exact")


@dataclass(frozen=True)
class Part:
    """One comparison of a finding."""

    name: str
    more: Tuple[str, ...]
    less: Tuple[str, ...]
    unit: str
    paper: Optional[float]
    claim: str
    smallest: float
    test: str
    divided_by: float = 1.0

    @property
    def cells(self) -> Tuple[str, ...]:
        """All cells of the comparison."""
        return self.more + self.less


@dataclass(frozen=True)
class Finding:
    """A finding of a paper."""

    id: str
    section: str
    statement: str
    recipes: Tuple[str, ...]  # such as "tied_multi/table1"
    data: str
    parts: Tuple[Part, ...] = field(default=())
    changed: str = ""

    @property
    def paper(self) -> str:
        """The folder of the paper's recipes."""
        return PAPERS[self.id.partition("/")[0]]


Record = TypeVar("Record", Finding, Part)


def _read(kind: Type[Record], content: Dict[str, Any], name: str) -> Record:
    known = {one.name for one in fields(kind)}
    unknown = sorted(set(content) - known)
    if unknown:
        raise ValueError(f"{name}: unknown field {unknown[0]}; expected {', '.join(sorted(known))}")
    values: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error


def read_findings(path: Path) -> List[Finding]:
    """Return the findings of a file.

    Raises:
        ValueError: a field is unknown, missing, or has a value that is not allowed; or an id occurs twice.
    """
    findings = []
    for content in json.loads(path.read_text(encoding="utf-8")):
        name = f"{path.name}: {content.get('id', 'a finding without id')}"
        parts = tuple(_checked(_read(Part, part, name), name) for part in content.get("parts", []))
        if not parts:
            raise ValueError(f"{name}: parts: expected at least one")
        findings.append(_read(Finding, {**content, "parts": list(parts)}, name))
    for number, one in enumerate(findings, 1):
        if one.id != f"{path.stem}/{number}":
            raise ValueError(f"{path.name}: id {one.id}: expected {path.stem}/{number}")
    return findings


def _checked(part: Part, name: str) -> Part:
    for option, value, allowed in (("claim", part.claim, CLAIMS), ("test", part.test, TESTS)):
        if value not in allowed:
            raise ValueError(f"{name}: {option} {value!r}: expected one of {', '.join(map(repr, allowed))}")
    if not part.smallest > 0:
        raise ValueError(f"{name}: smallest {part.smallest}: expected a number above 0")
    return part


def all_findings() -> List[Finding]:
    """Return the findings of all papers, in the papers' order."""
    return [one for paper in PAPERS for one in read_findings(FOLDER / f"{paper}.json")]


def chosen_findings(ids: List[str]) -> List[Finding]:
    """Return the findings of the given ids, or of the given papers; all if there are none.

    Raises:
        ValueError: an id is unknown.
    """
    findings = all_findings()
    known = {one.id for one in findings} | set(PAPERS)
    for name in ids:
        if name not in known:
            raise ValueError(f"finding {name}: expected one of {', '.join(one.id for one in findings)}, or a paper")
    return [one for one in findings if not ids or one.id in ids or one.id.partition("/")[0] in ids]
