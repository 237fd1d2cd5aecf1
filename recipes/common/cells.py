"""Where a table's measured values are.

A cell is written SYSTEM/FILE:KEY, or SYSTEM/FILE:KEY@N,M where the file lists depths; {NAME} stands for the row's
column NAME. The value is the mean over the system's seeds, the files WORK/SYSTEM/seed1/FILE.json, seed2/FILE.json and
so on. ``*`` in SYSTEM takes all systems that match, and ``*`` for N or M all depths: the value is their mean. Without
"@", a list is read at its deepest pair. "CELL - CELL" is a difference, "CELL / CELL" a ratio.
"""

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

_CELL = re.compile(r"(?P<system>[^/]+)/(?P<file>[^:]+):(?P<key>\w+)(@(?P<n>\*|\d+),(?P<m>\*|\d+))?")


class Measurements:
    """The JSON files of a recipe's folder."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.signatures: Set[str] = set()
        self.most_seeds = 0

    def value(self, cell: str, row: Dict[str, str], seeds: str = "seed*") -> Optional[float]:
        """The value of a cell for a row of the table; ``None`` where it was not measured, entirely or in part.

        Raises:
            ValueError: the cell is not written as described above, or a file lacks its key.
        """
        for symbol in (" - ", " / "):
            if symbol in cell:
                left, right = (self.value(part, row, seeds) for part in cell.split(symbol, 1))
                if left is None or right is None:
                    return None
                return left - right if symbol == " - " else left / right
        found = _CELL.fullmatch(cell.format(**row))
        if found is None:
            raise ValueError(f"cell {cell}: expected SYSTEM/FILE:KEY or SYSTEM/FILE:KEY@N,M")
        systems = sorted(path for path in self.work.glob(found["system"]) if path.is_dir())
        values = [self._mean_over_seeds(system, found, seeds) for system in systems]
        return _mean(values)

    def _mean_over_seeds(self, system: Path, cell: "re.Match[str]", seeds: str) -> Optional[float]:
        files = sorted(system.glob(f"{seeds}/{cell['file']}.json"))
        self.most_seeds = max(self.most_seeds, len(files))
        return _mean([self._read(file, cell) for file in files])

    def _read(self, file: Path, cell: "re.Match[str]") -> Optional[float]:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            content = [content]
        elif cell["n"] is None:
            content = [max(content, key=lambda entry: (entry["enc_layers"], entry["dec_layers"]))]
        chosen = [
            entry
            for entry in content
            if all(cell[at] in (None, "*", str(entry[name])) for at, name in (("n", "enc_layers"), ("m", "dec_layers")))
        ]
        for entry in chosen:
            if cell["key"] not in entry:
                raise ValueError(f"{file}: holds no {cell['key']}, but {', '.join(entry)}")
            if cell["key"] == "bleu" and "bleu_signature" in entry:
                self.signatures.add(entry["bleu_signature"])
        return _mean([entry[cell["key"]] for entry in chosen])


def _mean(values: List[Optional[float]]) -> Optional[float]:
    """The mean; ``None`` where there are no values, or one is missing."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present and len(present) == len(values) else None
