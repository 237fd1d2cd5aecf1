"""What someone who means harm would put into a file."""

import os
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest
import torch

CHECKS = torch.__version__ >= (2, 6)
checked = pytest.mark.skipif(not CHECKS, reason="torch before 2.6 cannot tell whether a checkpoint carries code")


class Code:
    """Makes a folder where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Tuple[Callable, Any]:
        return os.mkdir, (self.marker,)
