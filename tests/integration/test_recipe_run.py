"""A recipe from raw text to its table, killed and resumed on the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from recipes.common.dry_run import RECIPES

SCRIPT = RECIPES / "flexible_depth" / "figure1.sh"  # it trains one model


@pytest.fixture
def environment(tmp_path: Path) -> Dict[str, str]:
    programs = os.path.dirname(sys.executable)
    settings = {"SCALE": "smoke", "WORK": str(tmp_path / "work"), "GPUS": "0", "WORKERS": "1", "JOBS": "1"}
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **settings}


def _kill_at(step: str, environment: Dict[str, str]) -> None:
    """Start the recipe, and kill it with all its processes when it begins this step."""
    with subprocess.Popen(
        ["bash", str(SCRIPT)], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip().endswith(step):
                os.killpg(process.pid, signal.SIGKILL)
                return
    pytest.fail(f"no step {step}")


def _run(environment: Dict[str, str]) -> List[str]:
    """Run the recipe to its end; return the steps that it ran."""
    run = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    work = environment["WORK"]
    return [line[len(work) + 1 :] for line in run.stderr.splitlines() if line.startswith(work)]


def test_a_recipe_goes_on_after_a_kill_and_ends_in_its_table(tmp_path: Path, environment: Dict[str, str]) -> None:
    _kill_at("layerdrop-p0.5/seed1/train", environment)
    steps = _run(environment)
    system = "original-layerdrop-p0.5/seed1"
    assert steps == [f"{system}/{step}" for step in ("train", "average", "measure", "test")]
    results = tmp_path / "work" / "results"
    text = (results / "figure1.md").read_text(encoding="utf-8")
    head, _, row = text.split("\n\n")[0].splitlines()
    assert head == "| p | unpruned | pruned by p | at depths | one layer per side |"
    assert row.startswith("| 0.5 | ")
    assert "sacrebleu: `nrefs:1|" in text
    assert (results / "figure1.png").read_bytes().startswith(b"\x89PNG")
    assert _run(environment) == []
    assert (results / "figure1.md").read_text(encoding="utf-8") == text
    changed = subprocess.run(
        ["bash", str(SCRIPT)], env={**environment, "UPDATES": "10"}, capture_output=True, text=True
    )
    assert changed.returncode != 0
    assert "seed1/train was begun with other settings" in changed.stderr
