"""The plan of a recipe: what each step needs, the systems of ONLY, and the levels of a job array."""

import os
import subprocess
from pathlib import Path
from typing import Set

import pytest

from recipes.common.dry_run import RECIPES, SETTINGS
from recipes.common.plan import Plan, Step, paths_in, read_plan, steps_of
from recipes.common.progress import state


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ONLY", *SETTINGS):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"SCALE": "paper", "GPUS": "1"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def _systems(plan: Plan, *names: str) -> Set[str]:
    return {name.partition("/seed")[0] for name in plan.chosen(names) if name.endswith("/train")}


CASES = {
    "tied_multi/table1": {"vanilla-1-2": "vanilla-1-2", "tied-multi": "tied-multi"},
    "tied_multi/table2": {
        "tied-multi": "tied-multi", "selector-2-4-tuned": "tied-multi selector-2-4 selector-2-4-tuned"
    },
    "tied_multi/table3": {
        "tied-multi-rs": "tied-multi-rs",
        "distilled-tied-multi": "vanilla-6-6 candidate-2 candidate-3 candidate-4 candidate-5 distilled-tied-multi",
    },
    "sequence_kd/table3": {
        "first-student-pruned-50":
            "first-teacher first-student-seq-kd first-student-seq-kd-seq-inter first-student-pruned-50"
    },
    "ckd/table1": {
        "en_de_2-no-kd": "en_de_2-no-kd", "en_de_1-pkd": "en_de_1-teacher en_de_1-pkd",
        "en_de_2-rc": "en_de-teacher en_de_2-rc",
    },
    "flexible_depth/table2": {
        "original-mt-optimal": "original-baseline-12-6 original-mt-optimal",
        "baseline-1-1": "original-baseline-12-6 baseline-1-1",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_system_and_all_that_it_needs(settings: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    plan = read_plan(RECIPES / f"{name}.sh", str(tmp_path))
    for system, needed in CASES[name].items():
        assert _systems(plan, system) == set(needed.split())
    assert all("/seed" not in step for step in plan.chosen(["data"]))
    # what is needed comes first, in the levels, too
    assert all(earlier < number for number, needs in enumerate(plan.needs) for earlier in needs)
    level = {unit: number for number, units in enumerate(plan.levels()) for unit in units}
    units = plan.units()
    for unit, steps in units.items():
        needed_units = {other for other in level if units[other] & plan.closure(steps)} - {unit}
        assert unit not in level or all(level[other] < level[unit] for other in needed_units)
    with pytest.raises(ValueError, match="ONLY=large: no such system; there are "):
        plan.chosen(["large"])


def test_a_selector_is_no_part_of_the_model_that_it_selects_for(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = read_plan(RECIPES / "tied_multi" / "table2.sh", str(tmp_path))
    steps = plan.chosen(["tied-multi"])
    assert "tied-multi/seed1/chosen/deepest" in steps and "tied-multi/seed1/labels/train" in steps
    assert "tied-multi/seed1/chosen/selector-8-8" not in steps


def test_seeds_and_steps_may_be_chosen(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.setenv("SEEDS", "2")
    plan = read_plan(RECIPES / "tied_multi" / "table3.sh", str(tmp_path))
    assert [name for name in plan.chosen(["tied-multi/seed2"]) if name.endswith("train")] == ["tied-multi/seed2/train"]
    assert len([name for name in plan.chosen(["tied-multi"]) if name.endswith("train")]) == 2
    assert plan.chosen(["logs/distilled"])[-1] == "logs/distilled"


def test_paths_of_a_word() -> None:
    assert list(paths_in("/w/a/x.pt:/w/b.pt", "/w")) == ["a/x.pt", "b.pt"]
    assert list(paths_in("Post-LN=/w/a/train.log", "/w")) == ["a/train.log"]
    assert list(paths_in("/work/a", "/w")) == []


def test_steps_between_their_marks() -> None:
    step = [[":", "step", "/w/a"], ["x", "y"], [":", "end"]]
    lines = [["mkdir", "a"], *step, ["table"], [":", "step", "/w/a"], [":", "end"]]
    assert steps_of(lines, "/w") == [Step("a", [["x", "y"]])]


def test_states(tmp_path: Path) -> None:
    assert state(tmp_path) == "not begun"
    (tmp_path / "train.log").write_text('x | train_inner | {"num_updates": "1200"}\n', encoding="utf-8")
    assert state(tmp_path) == "1,200 updates"
    (tmp_path / "train.claim").write_text("node7/pid:[4] 1 2\n", encoding="utf-8")
    assert state(tmp_path) == "1,200 updates, claimed on node7"
    (tmp_path / "train.done").touch()
    assert state(tmp_path) == "trained"


SBATCH = """#!/usr/bin/env bash
# runs the jobs of an array one after the other
set -e
number=$(($(cat $JOBS_RUN 2>/dev/null | wc -l) + 1))
for word; do
    case $word in --array=0-*) last=${word#--array=0-} ;; --dependency=*) printf '%s ' "$word" >>$JOBS_RUN ;; esac
done
echo "$ONLY" >>$JOBS_RUN
export SLURM_JOB_ID=1 SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_ARRAY_TASK_COUNT=$((${last:-0} + 1))
for SLURM_ARRAY_TASK_ID in $(seq 0 ${last:-0}); do
    export SLURM_ARRAY_TASK_ID; bash -c "${@: -1}" >&2
done
echo $number
"""


def test_a_job_array_of_systems(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each job trains one system; a job starts when the jobs of the systems that it needs are finished."""
    (tmp_path / "sbatch").write_text(SBATCH, encoding="utf-8")
    (tmp_path / "sbatch").chmod(0o755)
    recipe = tmp_path / "recipe.sh"
    recipe.write_text(
        f"source {RECIPES}/common/recipe.sh\n"
        'made() { step "$(folder $1)/train" on_device fairseq-train $WORK/bin --save-dir "$(folder $1)" ${@:2}; }\n'
        'student() { made $1 --teacher-path "$(model teacher)"; }\n'
        "fairseq-train() { echo $*; }\nstep $WORK/text/made on_device touch $WORK/bin\n"
        "each made teacher plain\neach student small smaller\nsummary run echo table\n"
    )
    environment = {**os.environ, "SCALE": "smoke", "GPUS": "0", "WORK": str(tmp_path / "work")}
    environment.update(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", JOBS_RUN=str(tmp_path / "jobs"))
    run = subprocess.run(
        ["bash", str(RECIPES / "common" / "slurm_array.sh"), str(recipe), "--gpus-per-node=8"],
        env=environment, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "job 1: teacher/seed1 plain/seed1", "job 2: small/seed1 smaller/seed1", "job 3: tables"
    ]  # fmt: skip
    assert (tmp_path / "jobs").read_text().splitlines() == [
        "teacher/seed1 plain/seed1", "--dependency=afterok:1 small/seed1 smaller/seed1", "--dependency=afterok:2 "
    ]  # fmt: skip
    assert run.stderr.splitlines()[-1] == "table"
    trained = [Path(line).parts[-3] for line in run.stderr.splitlines() if line.endswith("/train")]
    assert trained == ["teacher", "plain", "small", "smaller"]
