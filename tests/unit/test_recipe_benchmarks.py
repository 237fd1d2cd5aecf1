"""What recipes/benchmarks runs, and what it makes of what was measured."""

import argparse
import json
import os
import subprocess
import sys

from recipes.benchmarks import commands, sweep
from recipes.benchmarks.common import ROOT
from recipes.common.dry_run import RECIPES

WHERE = "import importlib.util\nprint(importlib.util.find_spec('fairseq_flexdepth').origin)\n"
OURS = str(ROOT / "fairseq_flexdepth" / "__init__.py")


def test_commands_run_the_repositorys_package(tmp_path, monkeypatch):
    program = tmp_path / "where.py"  # like a console script, in another folder than the package
    program.write_text(WHERE)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert commands.run("python", program)[1].strip() == OURS
    selector = RECIPES / "depth_selection" / "selector.sh"
    printed = subprocess.run(
        ["bash", "-c", f"source {selector}; python {program}"], cwd=tmp_path, capture_output=True, text=True,
        check=True, env={**os.environ, "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"},
    ).stdout  # fmt: skip
    assert printed.strip() == OURS


def test_the_committed_table_of_sweep_is_of_the_committed_numbers():
    results = RECIPES / "benchmarks" / "results"
    result = json.loads((results / "sweep-cpu.json").read_text(encoding="utf-8"))
    table = sweep.table(result["measured"], argparse.Namespace(**result["settings"]))
    assert (results / "sweep-cpu.md").read_text(encoding="utf-8").startswith(table)
    assert set(result["measured"]["ratios"]) == {"whole", "cpu"}
