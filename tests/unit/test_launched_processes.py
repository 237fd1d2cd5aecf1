"""The number and the GPU of a process, from the environment of torchrun and Slurm."""

from types import SimpleNamespace
from typing import Dict, List, Tuple

import pytest
import torch

from fairseq_flexdepth.cli.launched_processes import choose_gpu, launched_process

VARIABLES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_JOB_ID",
    "SLURM_STEP_ID", "SLURM_STEPID", *(f"SLURM_ARRAY_TASK_{name}" for name in ("ID", "COUNT", "MIN", "STEP")),
)  # fmt: skip


def set_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Set exactly the variables of *text*: ``NAME=VALUE NAME=VALUE``."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for assignment in text.split():
        monkeypatch.setenv(*assignment.split("=", 1))


TASK = "SLURM_PROCID=2 SLURM_NTASKS=3"
ARRAY = "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=5"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("", (0, 1)),
        ("RANK=1 WORLD_SIZE=2", (1, 2)),
        ("RANK=0 WORLD_SIZE=1", (0, 1)),
        (TASK, (2, 3)),
        (f"{TASK} SLURM_JOB_ID=9 SLURM_STEP_ID=0", (2, 3)),
        (f"{TASK} SLURM_JOB_ID=9", (0, 1)),  # a batch script
        ("SLURM_PROCID=0 SLURM_NTASKS=1", (0, 1)),
        ("SLURM_NTASKS=4", (0, 1)),  # salloc's shell
        ("SLURM_PROCID=0", (0, 1)),
        (ARRAY, (2, 3)),
        (f"{ARRAY} SLURM_PROCID=0 SLURM_NTASKS=1", (2, 3)),
        (f"{ARRAY} SLURM_ARRAY_TASK_STEP=2", (1, 3)),
        ("SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_COUNT=1 SLURM_ARRAY_TASK_MIN=4", (0, 1)),
        (f"{TASK} SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=2", (2, 3)),  # the array is over other work
        (f"{ARRAY} {TASK} RANK=1 WORLD_SIZE=2", (1, 2)),
        (f"{ARRAY} {TASK} RANK=0 WORLD_SIZE=1", (0, 1)),
    ],
)
def test_who_is_counted(environment: str, expected: Tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, environment)
    assert launched_process() == expected
    if "ARRAY" in environment and "PROCID" not in environment:
        assert launched_process(arrays=False) == (0, 1)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("RANK=0", "WORLD_SIZE: not set, but RANK is; set both, as torchrun does, or give --num-shards"),
        ("WORLD_SIZE=2", "RANK: not set, but WORLD_SIZE is; set both, as torchrun does, or give --num-shards"),
        ("RANK=x WORLD_SIZE=2", "RANK=x: expected a number, 0 or more; or give --num-shards and --shard-id"),
        ("RANK=-1 WORLD_SIZE=2", "RANK=-1: expected a number, 0 or more; "),
        ("RANK=2 WORLD_SIZE=2", "RANK=2: expected 0 to 1 in steps of 1, with WORLD_SIZE=2; or give --num-shards"),
        ("RANK=0 WORLD_SIZE=0", "WORLD_SIZE=0: expected 1 or more; "),
        ("SLURM_PROCID=1 SLURM_NTASKS=²", "SLURM_NTASKS=²: expected a number, 0 or more; "),
        (f"{ARRAY} SLURM_ARRAY_TASK_STEP=4", "SLURM_ARRAY_TASK_ID=7: expected 5 to 13 in steps of 4, with SLURM_ARR"),
        ("SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_ID=9: expected 1 "),
    ],
)
def test_a_wrong_environment_is_refused(environment: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, environment)
    with pytest.raises(ValueError, match="expected|not set") as error:
        launched_process()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("environment", "gpus", "cpu", "expected"),
    [
        ("LOCAL_RANK=3", 4, False, [3]),
        ("SLURM_LOCALID=1", 4, False, [1]),
        ("LOCAL_RANK=2 SLURM_LOCALID=0", 4, False, [2]),
        ("LOCAL_RANK=5", 4, False, [1]),  # more processes than GPUs
        ("LOCAL_RANK=3", 1, False, []),  # Slurm shows each process its own GPU
        ("LOCAL_RANK=3", 4, True, []),
        ("LOCAL_RANK=3", 0, False, []),
        ("", 4, False, []),
    ],
)
def test_each_process_uses_its_gpu(
    environment: str, gpus: int, cpu: bool, expected: List[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: List[int] = []
    stand_ins: Dict[str, object] = {
        "is_available": lambda: gpus > 0, "device_count": lambda: gpus, "set_device": used.append
    }  # fmt: skip
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    set_environment(monkeypatch, environment)
    choose_gpu(SimpleNamespace(common=SimpleNamespace(cpu=cpu)))  # type: ignore[arg-type]
    assert used == expected
