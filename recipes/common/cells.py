"""The measured values of a table's cells.

A cell is written SYSTEM/FILE:KEY: the value is the KEY of WORK/SYSTEM/seed1/FILE.json, seed2/FILE.json and so on,
averaged over the seeds. KEY@N,M takes the entry of encoder depth N and decoder depth M from a list of depths; without
@N,M the deepest entry counts. ``oracle.seconds`` is the key ``seconds`` of the object ``oracle``. A ``*`` matches
several systems in SYSTEM, several files (test sets) in FILE, and all depths as N or M: the value is the mean, or with
"sum CELL" the sum over the systems. "CELL - CELL" is a difference, "CELL / CELL" a ratio, and "CELL / 1e6" gives
millions. {NAME} stands for the value of column NAME in the same row. An empty cell has no value.
"""

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

_CELL = re.compile(r"(?P<sum>sum )?(?P<system>[^/]+)/(?P<file>[^:]+):(?P<key>[\w.]+)(@(?P<n>\*|\d+),(?P<m>\*|\d+))?")

_NUMBER = re.compile(r"\d+(\.\d+)?(e\d+)?")


class Measurements:
    """The JSON files of a recipe's folder.

    Args:
        work: the folder of all systems.
        values: further values of {NAME}; the row's own columns may contain {NAME}, too.
    """

    def __init__(self, work: Path, values: Optional[Dict[str, str]] = None) -> None:
        self.work = work
        self.values = values or {}
        self.signatures: Set[str] = set()
        self.most_seeds = 0

    def value(self, cell: str, row: Dict[str, str], seeds: str = "seed*") -> Optional[float]:
        """Return the value of a cell; ``None`` if it was not measured, or only in part.

        Args:
            cell: as described above.
            row: the row of the table, by column.
            seeds: pattern of the seeds' folders.

        Raises:
            ValueError: the cell is not written as described above, or a file lacks its key.
        """
        for symbol in (" - ", " / "):
            if symbol in cell:
                left, right = (self.value(part, row, seeds) for part in cell.split(symbol, 1))
                if left is None or right is None:
                    return None
                return left - right if symbol == " - " else left / right
        if _NUMBER.fullmatch(cell):
            return float(cell)
        filled = cell.format(**row, **self.values).format(**self.values)
        if not filled:
            return None
        found = _CELL.fullmatch(filled)
        if found is None:
            raise ValueError(f"cell {cell}: expected SYSTEM/FILE:KEY or SYSTEM/FILE:KEY@N,M")
        systems = sorted(path for path in self.work.glob(found["system"]) if path.is_dir())
        values = [self._mean_over_seeds(system, found, seeds) for system in systems]
        mean = _mean(values)
        return mean if mean is None or not found["sum"] else mean * len(values)

    def _mean_over_seeds(self, system: Path, cell: "re.Match[str]", seeds: str) -> Optional[float]:
        files = sorted(system.glob(f"{seeds}/{cell['file']}.json"))
        self.most_seeds = max(self.most_seeds, len({file.relative_to(system).parts[0] for file in files}))
        return _mean([self._read(file, cell) for file in files])

    def _read(self, file: Path, cell: "re.Match[str]") -> Optional[float]:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        *objects, key = cell["key"].split(".")
        for name in objects:
            content = content[name]
        entries = [content] if isinstance(content, dict) else _at_depth(content, cell["n"], cell["m"])
        for entry in entries:
            if key not in entry:
                raise ValueError(f"{file}: has no key {cell['key']}; its keys are {', '.join(entry)}")
            if key == "bleu" and "bleu_signature" in entry:
                self.signatures.add(entry["bleu_signature"])
        return _mean([entry[key] for entry in entries])


def _at_depth(entries: List[Dict[str, Any]], n: Optional[str], m: Optional[str]) -> List[Dict[str, Any]]:
    """Return the entries of depth pair (*n*, *m*); ``*`` matches every depth, ``None`` the deepest pair alone."""
    if n is None or m is None:
        return [max(entries, key=lambda entry: (entry["enc_layers"] or 0, entry["dec_layers"] or 0))]
    return [entry for entry in entries if n in ("*", str(entry["enc_layers"])) and m in ("*", str(entry["dec_layers"]))]


def _mean(values: List[Optional[float]]) -> Optional[float]:
    """Return the mean; ``None`` if there are no values or one is missing."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present and len(present) == len(values) else None
