"""The commands that recipes/benchmarks runs, and its committed reports."""

import argparse
import json
import os
import subprocess
import sys

import pytest

from recipes.benchmarks import (
    arithmetic,
    commands,
    decode,
    distillation,
    engines,
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
    run = commands.run("python", program)
    assert run.output.strip() == OURS
    assert min(run.seconds, run.cpu) > 0
    assert 0 <= run.other_load <= 1
    selector = RECIPES / "depth_selection" / "selector.sh"
    printed = subprocess.run(
        ["bash", "-c", f"source {selector}; python {program}"], cwd=tmp_path, capture_output=True, text=True,
        check=True, env={**os.environ, "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"},
    ).stdout  # fmt: skip
    assert printed.strip() == OURS


BENCHMARKS = [
    arithmetic, decode, distillation, export, flexible_depth, peak, selection, self_speculative, sweep, train_step
]  # fmt: skip


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


def test_engines_states_the_ratios_and_how_idle_the_machine_was():
    """It was not measured so far: made-up numbers."""

    def run(whole, load):
        return {"whole": whole, "cpu": whole, "other_load": load}

    systems = {"fairseq": 8.0, "float32": 2.0, "int8": 1.0}
    measured = {
        "distill": {
            "seconds": {name: [seconds] for name, seconds in systems.items()},
            "speed": {name: 8.0 / seconds for name, seconds in systems.items()},
        },
        "commands": {
            "generate": [run(10.0, 0.01)], "distill": [run(4.0, 0.02)], "speed": 2.5, "speed_with_export": 2.0
        },
        "sweep": {
            "sweeps": [run(2.0, 0.0), run(1.0, 0.03)], "separate": [run(5.0, 0.0), run(5.0, 0.07)],
            "ratios": [{"whole": 0.2, "cpu": 0.3}, {"whole": 0.1, "cpu": 0.2}],
        },
    }  # fmt: skip
    args = argparse.Namespace(
        layers=2, embed_dim=8, ffn_dim=8, vocabulary=60, beam=5, length=6, distilled=16, decoded=30, threads=1, turns=3
    )
    table = engines.table(measured, args)
    assert "| CTranslate2 float32 | 2.00 | 8.0 | 4.00 |" in table
    assert "exported before: 2.5 (target ≥ 3: not reached); with the export 2; search alone, in one process 4" in table
    assert "runs of `fairseq-generate`: 0.2 (target ≤ 0.2: reached); in CPU seconds 0.3" in table
    assert "other processes used at most 7% of the machine" in table
