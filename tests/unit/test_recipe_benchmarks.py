"""The commands that recipes/benchmarks runs, and its committed reports."""

import argparse
import json
import os
import subprocess
import sys

import pytest

from recipes.benchmarks import (
    commands,
    decode,
    distillation,
    export,
    flexible_depth,
    peak,
    selection,
    self_speculative,
    sweep,
    train_step,
)
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


BENCHMARKS = [decode, distillation, export, flexible_depth, peak, selection, self_speculative, sweep, train_step]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_committed_tables_are_made_of_the_committed_numbers(benchmark):
    name = benchmark.__name__.rpartition(".")[2]
    results = RECIPES / "benchmarks" / "results"
    result = json.loads((results / f"{name}-cpu.json").read_text(encoding="utf-8"))
    compared = [result["compared"]] if "compared" in result else []
    table = benchmark.table(result["measured"], *compared, argparse.Namespace(**result["settings"]))
    assert (results / f"{name}-cpu.md").read_text(encoding="utf-8").startswith(f"{table}\n\n")


def test_sweep_is_compared_by_wall_clock_and_cpu_seconds():
    result = json.loads((RECIPES / "benchmarks" / "results" / "sweep-cpu.json").read_text(encoding="utf-8"))
    assert set(result["measured"]["ratios"]) == {"whole", "cpu"}
