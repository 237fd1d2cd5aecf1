"""Every recipe at ``SCALE=smoke``, from raw text to its table.

    python -m pytest -n 2 --dist loadgroup --durations 0 tests/campaigns/every_recipe.py

It takes up to an hour on two cores and is not part of the test suite, which runs one recipe
(tests/integration/test_recipe_run.py). ``SMOKE=FOLDER`` keeps the results; a second run with that folder resumes.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from recipes.common.dry_run import recipe_scripts


def _run(name: str, work: Path) -> "subprocess.CompletedProcess[str]":
    """Run the recipe on the CPU; the recipes of a paper share a folder."""
    programs = os.path.dirname(sys.executable)
    settings = {"SCALE": "smoke", "WORK": str(work), "GPUS": "0", "JOBS": "1", "OMP_NUM_THREADS": "1"}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **settings}
    return subprocess.run(["bash", str(recipe_scripts()[name])], env=environment, capture_output=True, text=True)


def _tables(printed: str) -> List[List[List[str]]]:
    """The Markdown tables in a recipe's output: a list of rows per table, the head first."""
    tables: List[List[List[str]]] = []
    before = ""
    for line in printed.splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        before = line
    return [[head, *rows] for head, _, *rows in tables]


def _not_made(printed: str) -> List[str]:
    """The columns that a recipe says were not measured at this scale."""
    return ", ".join(re.findall(r"not measured at this scale: (.*?)\. ", printed)).split(", ")


def _pictures(work: Path) -> Dict[str, bytes]:
    return {path.stem: path.read_bytes()[:4] for path in (work / "results").glob("*.png")}


def _by_paper(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.xdist_group(name.split("/")[0]))


@pytest.mark.parametrize("name", map(_by_paper, recipe_scripts()))
def test_from_raw_text_to_the_table(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = Path(os.environ.get("SMOKE") or tmp_path_factory.getbasetemp() / "recipes")
    work = kept / name.split("/")[0]
    run = _run(name, work)
    assert run.returncode == 0, run.stderr
    tables = _tables(run.stdout)
    assert tables and all(len(table) > 1 for table in tables), run.stdout
    not_made = _not_made(run.stdout)
    for head, *rows in tables:
        # a column is measured in some row, is the paper's, or is reported as not measured at this scale
        empty = [title for title, *cells in zip(head, *rows) if not any(cells) and title not in not_made]
        assert not empty, run.stdout
    for file in (work / "results").glob("*.md"):
        assert file.read_text(encoding="utf-8").startswith("|")
    assert set(_pictures(work).values()) <= {b"\x89PNG"}
    again = _run(name, work)
    assert again.returncode == 0, again.stderr
    assert again.stdout == run.stdout
    assert not [line for line in again.stderr.splitlines() if line.startswith(str(work))], again.stderr
