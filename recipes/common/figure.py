"""Shared by the recipes' pictures: matplotlib without a screen, and saving figures."""

import logging
import os
from pathlib import Path
from typing import Any


def pyplot() -> Any:
    """Return matplotlib's pyplot, with a backend that needs no screen."""
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # fairseq's logging set-up makes it verbose
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


def save_plot(figure: Any, axes: Any, path: Path, x_label: str, y_label: str) -> None:
    """Label the axes of a figure, add the legend, and save it as `save_figure` does."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend()
    save_figure(figure, path)
