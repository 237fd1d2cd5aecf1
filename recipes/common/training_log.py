"""Read the log of ``fairseq-train --log-format json``."""

import json
import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

Entry = Tuple[str, Dict[str, float]]
_ENTRY = re.compile(r"\| (train_inner|train|valid|test) \| (\{.*\})$")
_START = re.compile(r"\| training on \d+ devices")  # logged by every rank before the first update of a run


def runs(path: Path) -> List[List[Entry]]:
    """Return the entries of a training, one list per run: each interruption starts a new run, which may be empty."""
    found: List[List[Entry]] = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = _ENTRY.search(line)
        if entry is not None:
            numbers = {key: _number(value) for key, value in json.loads(entry.group(2)).items()}
            found[-1].append((entry.group(1), numbers))
        elif _START.search(line):
            found.append([])
    return found


def entries(path: Path) -> Iterator[Entry]:
    """Yield kind (``train_inner``, ``train``, ``valid``, ``test``) and numbers of every entry, in the log's order."""
    for run in runs(path):
        yield from run


def _number(value: object) -> float:
    """Convert a number, which fairseq mostly writes as a string; NaN for everything else."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
