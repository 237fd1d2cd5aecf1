"""How recipes use a machine that these tests do not have: GPUS, JOBS, LAUNCH.

``nvidia-smi``, ``fairseq-train`` and ``srun`` are scripts that say how they were called.
"""

import os
import subprocess
from typing import List

import pytest

from recipes.common.dry_run import RECIPES

PROGRAMS = {
    "nvidia-smi": "for gpu in 0 1 2 3; do echo GPU $gpu; done",
    "fairseq-train": 'echo "train ${CUDA_VISIBLE_DEVICES:-all} $*"',
    "srun": 'echo "srun $1"; shift; "$@"',
}
TRAIN = "fairseq_train data into 8000 2000 --seed 1"


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """A function that runs commands as a recipe does, and returns the lines printed."""
    for name, script in PROGRAMS.items():
        program = tmp_path / name
        program.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    for name in ("GPUS", "JOBS", "FP16", "LAUNCH", "CUDA_VISIBLE_DEVICES", "SCALE", "SLURM_OPTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("WORK", str(tmp_path / "work"))

    def run(commands: str, **settings: str) -> List[str]:
        recipe = tmp_path / "recipe.sh"
        recipe.write_text(f"source {RECIPES}/common/recipe.sh\n{commands}\n", encoding="utf-8")
        finished = subprocess.run(
            ["bash", str(recipe)], env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8",
        )  # fmt: skip
        return finished.stdout.splitlines()

    return run


def _value(line: str, option: str) -> int:
    words = line.split()
    return int(words[words.index(option) + 1])


@pytest.mark.parametrize(
    ("settings", "devices", "max_tokens", "update_freq"),
    [
        ({}, "all", 2000, 1),  # the four that nvidia-smi lists
        ({"GPUS": "1"}, "all", 2000, 4),
        ({"GPUS": "0"}, "all", 2000, 4),
        ({"CUDA_VISIBLE_DEVICES": "1,3"}, "1,3", 2000, 2),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,GPU-46ab5f9e"}, "GPU-8932f937,GPU-46ab5f9e", 2000, 2),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "GPUS": "0"}, "0,1", 2000, 4),
        ({"GPUS": "16"}, "all", 500, 1),  # less than one batch of max_tokens for each
    ],
)
def test_an_update_sees_as_many_tokens_on_any_number_of_gpus(printed, settings, devices, max_tokens, update_freq):
    (line,) = printed(TRAIN, **settings)
    assert line.startswith(f"train {devices} data ")
    assert (_value(line, "--max-tokens"), _value(line, "--update-freq")) == (max_tokens, update_freq)
    assert ("--cpu" in line) == (settings.get("GPUS") == "0")


@pytest.mark.parametrize(("gpus", "batch_size"), [("0", 1024), ("1", 1024), ("4", 256), ("3", 342)])
def test_an_update_sees_as_many_sentences_on_any_number_of_gpus(printed, gpus, batch_size):
    (line,) = printed("fairseq_train data into '1024 sentences' 2000", GPUS=gpus)
    assert _value(line, "--batch-size") == batch_size
    assert "--max-tokens" not in line and "--update-freq" not in line


def test_no_gpu_has_too_few_tokens_for_long_sentences(printed):
    error = printed(TRAIN, GPUS="8", SCALE="paper")[0]
    assert error.startswith("error: 8000 tokens an update are 1000 for each of 8 GPUs; expected at least 1024: set")
    (line,) = printed(f"take_slot; {TRAIN}", GPUS="8", SCALE="paper", JOBS="2")
    assert _value(line, "--max-tokens") == 2000
    assert _value(printed("fairseq_train data into 512 2000", GPUS="1", SCALE="paper")[0], "--max-tokens") == 512


def test_half_precision(printed):
    (line,) = printed(TRAIN, FP16="1")
    assert " --fp16 " in line


def test_jobs_share_the_gpus(printed):
    lines = printed(f"(take_slot; {TRAIN}; (take_slot; {TRAIN}; (take_slot)))", JOBS="2")
    assert [line.split()[1] for line in lines[:2]] == ["0,1", "2,3"]
    assert [_value(line, "--update-freq") for line in lines[:2]] == [2, 2]
    assert lines[2:] == ["error: no free share of the 4 GPUs"]


def test_a_share_is_free_again_when_its_job_has_ended(printed):
    lines = printed(f"system() {{ {TRAIN}; }}\neach system a b c", JOBS="1", GPUS="2")
    assert [line.split()[1] for line in lines] == ["0,1"] * 3


def test_more_jobs_than_gpus(printed):
    lines = printed(f"(take_slot; {TRAIN}; (take_slot; {TRAIN}))", JOBS="2", GPUS="1")
    assert [line.split()[1] for line in lines] == ["0", "0"]


def test_jobs_share_the_gpus_that_are_visible(printed):
    shares = f"(take_slot; {TRAIN}; (take_slot; {TRAIN}))"
    lines = printed(shares, JOBS="2", CUDA_VISIBLE_DEVICES="4,GPU-8932f937,7,6", GPUS="2")
    assert [line.split()[1] for line in lines] == ["4", "GPU-8932f937"]
    assert [_value(line, "--update-freq") for line in lines] == [4, 4]
    assert printed(shares, CUDA_VISIBLE_DEVICES="4,5", GPUS="3") == [
        "error: GPUS=3: expected at most 2, those of CUDA_VISIBLE_DEVICES=4,5"
    ]


@pytest.mark.parametrize("mask", ["", "-1"])
def test_no_gpu_is_visible(printed, mask):
    (line,) = printed(f"take_slot; {TRAIN}", CUDA_VISIBLE_DEVICES=mask)
    assert "--cpu" in line
    assert printed(TRAIN, GPUS="some") == ["error: GPUS=some: expected a number"]


def test_a_dry_run_is_of_one_job(printed):
    lines = printed(f"system() {{ {TRAIN}; }}\neach system a b", JOBS="4", DRY_RUN="1")
    assert [_value(line, "--update-freq") for line in lines] == [4, 4]


def test_launching_where_there_are_no_gpus(printed):
    launch = {"LAUNCH": str(RECIPES / "common" / "slurm.sh"), "CUDA_VISIBLE_DEVICES": "", "SLURM_OPTIONS": "--gpus=2"}
    (line,) = printed(TRAIN, **launch)
    assert line.startswith(f"error: LAUNCH={launch['LAUNCH']}: no GPU was found here; expected GPUS")
    _, line = printed(f"take_slot; {TRAIN}", GPUS="2", **launch)
    assert line.startswith("train 0,1 ") and "--cpu" not in line


def test_slurm_prefixes_the_training(printed):
    launch = str(RECIPES / "common" / "slurm.sh")
    assert printed(TRAIN, LAUNCH=launch, SLURM_OPTIONS="--gpus=4")[:1] == ["srun --gpus=4"]
    assert printed(TRAIN, LAUNCH=launch, SLURM_OPTIONS="--gpus=4")[1].startswith("train all data ")


def test_too_few_updates_for_an_average(printed):
    assert printed("average=10 save_interval=1000\nsave_often 300000 9") == [
        "error: UPDATES=9: expected at least 10, as many checkpoints are averaged"
    ]
    assert printed("average=10 save_interval=1000\nsave_often 10000 10\necho $save_interval $log_interval") == ["1 1"]
    assert printed("average=10 save_interval=1000\nsave_often 10000\necho $save_interval ${log_interval:-}") == ["1000"]
