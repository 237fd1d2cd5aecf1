"""What ``fairseq-train --log-format json`` logged."""

import json
import re
from pathlib import Path
from typing import Dict, Iterator, Tuple

_ENTRY = re.compile(r"\| (train_inner|train|valid|test) \| (\{.*\})$")


def entries(path: Path) -> Iterator[Tuple[str, Dict[str, float]]]:
    """The kind (``train_inner``, ``train``, ``valid``, ``test``) and the numbers of every entry, in the log's order."""
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _ENTRY.search(line)
        if found is not None:
            yield found.group(1), {key: _number(value) for key, value in json.loads(found.group(2)).items()}


def _number(value: object) -> float:
    """fairseq writes most numbers as strings."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
