"""The measured values of a table's cells.

A cell is written SYSTEM/FILE:KEY: the value is the KEY of WORK/SYSTEM/seed1/FILE.json, seed2/FILE.json and so on,
averaged over the seeds. KEY@N,M takes the entry of encoder depth N and decoder depth M from a list of depths; without
@N,M the deepest entry counts. ``oracle.seconds`` is the key ``seconds`` of the object ``oracle``. A ``*`` matches
several systems in SYSTEM, several files (test sets) in FILE, and all depths as N or M: the value is the mean, or with
"sum CELL" the sum over the systems. "CELL - CELL" is a difference, "CELL / CELL" a ratio, and "CELL / 1e6" gives
millions. "CELL vs CELL" is the first cell, and declares the second as its baseline. {NAME} stands for the value of
column NAME in the same row. An empty cell has no value.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

_CELL = re.compile(r"(?P<sum>sum )?(?P<system>[^/]+)/(?P<file>[^:]+):(?P<key>[\w.]+)(@(?P<n>\*|\d+),(?P<m>\*|\d+))?")

_NUMBER = re.compile(r"\d+(\.\d+)?(e\d+)?")


class Measured(NamedTuple):
    """One entry of a JSON file: one system with one seed, scored on one test set at one depth pair."""

    file: Path
    entry: Dict[str, Any]


class Source(NamedTuple):
    """The entries that a cell without operators averages."""

    system: str
    name: str  # of the files
    depth: str  # ``@N,M``, or empty
    key: str
    entries: Dict[str, List[Measured]]  # by the name of the seed's folder


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
        cell = cell.partition(" vs ")[0]
        for symbol in (" - ", " / "):
            if symbol in cell:
                left, right = (self.value(part, row, seeds) for part in cell.split(symbol, 1))
                if left is None or right is None:
                    return None
                return left - right if symbol == " - " else left / right
        if _NUMBER.fullmatch(cell):
            return float(cell)
        found = self._parse(cell, row)
        if found is None:
            return None
        systems = sorted(path for path in self.work.glob(found["system"]) if path.is_dir())
        values = [self._mean_over_seeds(system, found, seeds) for system in systems]
        mean = _mean(values)
        return mean if mean is None or not found["sum"] else mean * len(values)

    def deviation(self, cell: str, row: Dict[str, str]) -> Optional[float]:
        """Return the sample standard deviation of a cell over the seeds.

        It is ``None`` where fewer than two seeds were measured, and where all have the same value, such as a number of
        parameters.
        """
        seeds = sorted({path.name for path in self.work.glob("*/seed*")})
        measured = [self.value(cell, row, seed) for seed in seeds] if len(seeds) > 1 else []
        values = [value for value in measured if value is not None]
        return statistics.stdev(values) if len(set(values)) > 1 else None

    def compared(self, cell: str, row: Dict[str, str]) -> Optional[Tuple[Source, Source]]:
        """Return the entries of a cell "CELL vs CELL" or "CELL - CELL", and of its baseline, the second cell.

        It is ``None`` for every other cell, and where one of the two names nothing.
        """
        for symbol in (" vs ", " - "):
            left, operator, right = cell.partition(symbol)
            if operator and " / " not in cell:
                sources = self.source(left, row), self.source(right, row)
                return None if sources[0] is None or sources[1] is None else (sources[0], sources[1])
        return None

    def systems(self, cell: str, row: Dict[str, str]) -> Dict[str, List[str]]:
        """Return the folders in *work* that a cell's value comes from, by the key that is read there.

        A baseline after "vs" is none of them.
        """
        found: Dict[str, List[str]] = {}
        for part in re.split(" - | / ", cell.partition(" vs ")[0].format(**row, **self.values).format(**self.values)):
            match = _CELL.fullmatch(part)
            if match is not None:
                folders = sorted(path.name for path in self.work.glob(match["system"]) if path.is_dir())
                found.setdefault(match["key"], []).extend(folders)
        return found

    def _parse(self, cell: str, row: Dict[str, str]) -> "Optional[re.Match[str]]":
        filled = cell.format(**row, **self.values).format(**self.values)
        if not filled:
            return None
        found = _CELL.fullmatch(filled)
        if found is None:
            raise ValueError(f"cell {cell}: expected SYSTEM/FILE:KEY or SYSTEM/FILE:KEY@N,M")
        return found

    def source(self, cell: str, row: Dict[str, str]) -> Optional[Source]:
        """Return the entries that a cell without operators averages; ``None`` for an empty cell.

        Raises:
            ValueError: the cell is not written as described above.
        """
        found = self._parse(cell, row)
        if found is None:
            return None
        entries: Dict[str, List[Measured]] = {}
        for file in sorted(self.work.glob(f"{found['system']}/seed*/{found['file']}.json")):
            seed = file.relative_to(self.work).parts[1]
            entries.setdefault(seed, []).extend(Measured(file, entry) for entry in self._entries(file, found))
        depth = f"@{found['n']},{found['m']}" if found["n"] else ""
        return Source(found["system"], found["file"], depth, found["key"], entries)

    def _mean_over_seeds(self, system: Path, cell: "re.Match[str]", seeds: str) -> Optional[float]:
        files = sorted(system.glob(f"{seeds}/{cell['file']}.json"))
        self.most_seeds = max(self.most_seeds, len({file.relative_to(system).parts[0] for file in files}))
        return _mean([self._read(file, cell) for file in files])

    def _read(self, file: Path, cell: "re.Match[str]") -> Optional[float]:
        key = cell["key"].rpartition(".")[2]
        entries = self._entries(file, cell)
        for entry in entries:
            if key not in entry:
                raise ValueError(f"{file}: has no key {cell['key']}; its keys are {', '.join(entry)}")
            if key == "bleu" and "bleu_signature" in entry:
                self.signatures.add(entry["bleu_signature"])
        return _mean([entry[key] for entry in entries])

    def _entries(self, file: Path, cell: "re.Match[str]") -> List[Dict[str, Any]]:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        for name in cell["key"].split(".")[:-1]:
            content = content[name]
        return [content] if isinstance(content, dict) else _at_depth(content, cell["n"], cell["m"])


def _at_depth(entries: List[Dict[str, Any]], n: Optional[str], m: Optional[str]) -> List[Dict[str, Any]]:
    """Return the entries of depth pair (*n*, *m*); ``*`` matches every depth, ``None`` the deepest pair alone."""
    if n is None or m is None:
        return [max(entries, key=lambda entry: (entry["enc_layers"] or 0, entry["dec_layers"] or 0))]
    return [entry for entry in entries if n in ("*", str(entry["enc_layers"])) and m in ("*", str(entry["dec_layers"]))]


def _mean(values: List[Optional[float]]) -> Optional[float]:
    """Return the mean; ``None`` if there are no values or one is missing."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present and len(present) == len(values) else None
