"""What the recipes' pictures have in common."""

import logging
import os
from pathlib import Path
from typing import Any


def pyplot() -> Any:
    """matplotlib's pyplot, which needs no screen."""
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # fairseq turns everything else up
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as a PNG file, whole or not at all."""
    figure.tight_layout()
    partial = path.with_suffix(".part.png")
    figure.savefig(str(partial), dpi=120)
    os.replace(partial, path)
