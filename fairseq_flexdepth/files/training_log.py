"""Read the logs of ``fairseq-train`` and ``fairseq-validate``."""

import json
import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

Entry = Tuple[str, Dict[str, float]]
_ENTRY = re.compile(r"\| (train_inner|train|valid|test) \| (\{.*\})$")
_START = re.compile(r"\| training on \d+ devices")  # logged by every rank before the first update of a run
_OBJECT = re.compile(r"(?:^|\| )(\{.*\})$")


def runs(path: Path) -> List[List[Entry]]:
    """The entries of a ``--log-format json``, one list per run: each interruption starts a new run, maybe empty."""
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


def validations(lines: List[str], subset: str) -> List[Dict[str, float]]:
    """The numbers of every validation, in the log's order, by fairseq's names without the name of the subset.

    Args:
        lines: the log, in any ``--log-format`` but ``none``: from the terminal or from ``--log-file``.
        subset: one of ``--valid-subset``.
    """
    text = re.compile(rf"\| valid on '{re.escape(subset)}' subset \| (.*)$")
    found = []
    for line in lines:
        in_text = text.search(line)
        numbers = _after_names(in_text.group(1)) if in_text else _in_object(line, f"{subset}_")
        if numbers is not None and "num_updates" in numbers:
            found.append(numbers)
    return found


def _after_names(text: str) -> Dict[str, float]:
    """The numbers in a line such as ``loss 4.1 | nll_loss 3.2``."""
    pairs = [part.strip().rpartition(" ") for part in text.split(" | ")]
    return {name: _number(value) for name, _, value in pairs}


def _in_object(line: str, prefix: str) -> Optional[Dict[str, float]]:
    """The numbers in a JSON object at the end of a line whose names begin with *prefix*, without it."""
    match = _OBJECT.search(line)
    if match is None or f'"{prefix}num_updates"' not in line:
        return None
    numbers = json.loads(match.group(1))
    return {name[len(prefix) :]: _number(value) for name, value in numbers.items() if name.startswith(prefix)}


def _number(value: object) -> float:
    """Convert a number, which fairseq mostly writes as a string; NaN for everything else."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
