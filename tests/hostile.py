"""Contents of malicious files."""

import os
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest
import torch

CHECKS = torch.__version__ >= (2, 6)
checked = pytest.mark.skipif(not CHECKS, reason="torch before 2.6 cannot tell whether a checkpoint carries code")


class Code:
    """An object whose unpickling makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Tuple[Callable, Any]:
        return os.mkdir, (self.marker,)
