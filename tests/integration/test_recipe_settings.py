"""The rows of recipe_settings.tsv, which test_recipes.py compares with recipes; batches on 1 to 8 GPUs; precision."""

import re
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from recipes.common.dry_run import RECIPES, printed_commands, recipe_scripts
from tests.integration.recipe_settings import settings_commands, settings_rows
from tests.integration.test_recipe_machine import printed  # noqa: F401  (a fixture)

SCRIPTS = recipe_scripts()
WORK = Path("/nonexistent")  # nothing is run


def test_every_row_is_of_some_command_and_has_a_source(paper_scale_lines: Callable[[str], List[List[str]]]) -> None:
    known = set(re.findall(r"^\| (\[\w+\])", (RECIPES.parent / "docs" / "references.md").read_text("utf-8"), re.M))
    kinds = {
        (recipe, command.kind, command.system)
        for recipe in SCRIPTS
        for command in settings_commands(paper_scale_lines(recipe))
    }
    for row in settings_rows():
        assert any(row.expected(*kind) for kind in kinds), row
        keys = set(re.findall(r"\[\w+\]", row.source))
        assert keys <= known, row
        assert keys or row.source.startswith(("our choice", "tensor2tensor 1.6")), row


# Redefines functions that all recipes call: trainings print the batches on 1 to 8 GPUs, or that they are refused; other
# steps print nothing
EVERY_NUMBER_OF_GPUS = """
fairseq_train() {
    local ranks batches system=${2%/*}
    for ranks in {1..8}; do
        if split_batch "$3" "$4" "$ranks"; then echo "batch ${system##*/}|$ranks|$3|${batches[*]}"
        else echo "batch ${system##*/}|$ranks|$3|refused"; fi
    done
}
step() { case $* in *fairseq_train*) "${@:2}" ;; esac; }
"""
# by tokens or sentences per update: the numbers of GPUs on which no division is within 1 %, with 1,024 tokens on each
# and whole blocks of a language model
REFUSED = {
    "1024": [2, 3, 4, 5, 6, 7, 8], "2048": [3, 4, 5, 6, 7, 8], "4096": [5, 6, 7, 8], "73728": [5, 7],
    "128 sentences": [5, 6, 7],
}  # fmt: skip


def test_batches_are_the_papers_on_every_number_of_gpus_or_refused(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    shutil.copytree(str(RECIPES), str(recipes), ignore=shutil.ignore_patterns("work", "results", "__pycache__"))
    with (recipes / "common" / "recipe.sh").open("a", encoding="utf-8") as file:
        file.write(EVERY_NUMBER_OF_GPUS)
    refused: Dict[str, List[int]] = {}
    trained = set()
    for name in SCRIPTS:
        for words in printed_commands(recipes / f"{name}.sh", "paper", WORK):
            if words[0] != "batch":
                continue
            system, ranks_, batch, options = " ".join(words[1:]).split("|")
            ranks, whole = int(ranks_), int(batch.split()[0])
            trained.add(name)
            if options == "refused":
                if ranks not in refused.setdefault(batch, []):
                    refused[batch].append(ranks)
                continue
            numbers = dict(zip(options.split()[::2], map(int, options.split()[1::2])))
            tokens = numbers.get("--max-tokens", 0)
            effective = ranks * numbers.get("--update-freq", 1) * (tokens or numbers["--batch-size"])
            assert 0 <= effective - whole <= 0.01 * whole, (name, system, ranks, options)
            assert ranks == 1 or not tokens or tokens >= 1024, (name, system, ranks, options)
    assert trained == set(SCRIPTS) - {"ckd/table2", "tied_multi/table4"}
    assert refused == REFUSED


def test_jobs_divide_the_gpus(printed: Any) -> None:  # noqa: F811
    lines = printed(
        "for JOBS in 1 2 3 4; do for number in {1..8}; do gpus=($(seq $number)); "
        'for slot in $(seq 0 $((JOBS - 1))); do (take_share $slot; echo "$number $JOBS ${#mine[@]}"); done; done; done',
        GPUS="8",
    )
    shares = [tuple(map(int, line.split())) for line in lines]
    assert len(shares) == 8 * (1 + 2 + 3 + 4)
    assert all(share == max(gpus // jobs, 1) for gpus, jobs, share in shares)


@pytest.mark.parametrize(
    ("recipe", "gpus", "jobs", "message"),
    [
        ("flexible_depth/table5", "8", "1", "4096 tokens per update: not possible on 8 GPUs within 1 %, with at least"),
        ("layer_sharing/table5", "5", "1", "73728 tokens per update: not possible on 5 GPUs within 1 %, with at least"),
        ("sequence_kd/table2", "7", "1", "128 sentences per update: not possible on 7 GPUs within 1 %; expected one"),
        ("tied_multi/table3", "6", "2", "2048 tokens per update: not possible on 3 GPUs within 1 %, with at least"),
    ],
)
def test_a_recipe_refuses_gpus_at_its_start(recipe: str, gpus: str, jobs: str, message: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with pytest.raises(RuntimeError, match=re.escape(f"error: {message}")):
        # not a dry run; SOURCE: no server is asked
        printed_commands(SCRIPTS[recipe], "paper", work, DRY_RUN="", GPUS=gpus, JOBS=jobs, SOURCE=str(tmp_path))
    assert not work.exists()


def test_speed_on_the_cpu_is_measured_in_single_precision() -> None:
    commands = printed_commands(SCRIPTS["sequence_kd/table2"], "paper", WORK, GPUS="1", FP16="1")
    sweeps = [command for command in commands if command[1] == "sweep"]
    half = {Path(command[command.index("--output") + 1]).name: "--fp16" in command for command in sweeps}
    assert half == {"cpu-1": False, "cpu-5": False, "gpu-1": True, "gpu-5": True}
    assert all(("--cpu" in command) == ("/cpu-" in command[command.index("--output") + 1]) for command in sweeps)


def test_no_precision_is_halved_without_a_gpu() -> None:
    commands = printed_commands(SCRIPTS["tied_multi/table1"], "paper", WORK, GPUS="0", FP16="1")
    assert not any("--fp16" in command for command in commands)
