"""The number and the GPU of this process if ``torchrun``, ``srun`` or a Slurm job array has started several."""

import os
from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    from omegaconf import DictConfig


class LaunchedProcess(NamedTuple):
    """One of several processes that run the same command."""

    number: int  # 0 to processes − 1
    processes: int


ALONE = LaunchedProcess(0, 1)


def launched_process(arrays: bool = True) -> LaunchedProcess:
    """This process among those of ``torchrun``, of a Slurm job step or of a Slurm job array.

    The first of these three that has started several processes counts; with ``torchrun``'s variables, ``torchrun``
    alone. Slurm sets the variables of a task in a batch script and in ``salloc``'s shell, too, where one process runs:
    there is a task only within a job step, or where there is no job (tests).

    Args:
        arrays: whether the tasks of a job array are processes of one command.

    Raises:
        ValueError: a variable is missing, is not a number, or is out of range.
    """
    if "RANK" in os.environ or "WORLD_SIZE" in os.environ:
        return _process("RANK", "WORLD_SIZE")
    in_step = "SLURM_JOB_ID" not in os.environ or "SLURM_STEP_ID" in os.environ or "SLURM_STEPID" in os.environ
    if in_step and "SLURM_PROCID" in os.environ and "SLURM_NTASKS" in os.environ:
        process = _process("SLURM_PROCID", "SLURM_NTASKS")
        if process.processes > 1:
            return process
    if arrays and "SLURM_ARRAY_TASK_ID" in os.environ and "SLURM_ARRAY_TASK_COUNT" in os.environ:
        return _process(
            "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT",
            _number("SLURM_ARRAY_TASK_MIN", 0), max(1, _number("SLURM_ARRAY_TASK_STEP", 1)),
        )  # fmt: skip
    return ALONE


def choose_gpu(config: "DictConfig") -> None:
    """Use the GPU of this process's number on its machine, if several GPUs are visible.

    Args:
        config: fairseq's options; nothing happens with ``--cpu``.

    Raises:
        ValueError: ``LOCAL_RANK`` or ``SLURM_LOCALID`` is not a number.
    """
    name = next((name for name in ("LOCAL_RANK", "SLURM_LOCALID") if name in os.environ), None)
    if name is None or config.common.cpu:
        return
    import torch

    number, gpus = _number(name), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus > 1:
        torch.cuda.set_device(number % gpus)


def _process(number_name: str, count_name: str, first: int = 0, step: int = 1) -> LaunchedProcess:
    """The process whose number and count two variables give; numbers are *first*, *first* + *step* and so on."""
    count, given = _number(count_name), _number(number_name)
    number, rest = divmod(given - first, step)
    if count < 1:
        raise ValueError(f"{count_name}={count}: expected 1 or more; or give --num-shards and --shard-id")
    if rest or not 0 <= number < count:
        last = first + step * (count - 1)
        raise ValueError(
            f"{number_name}={given}: expected {first} to {last} in steps of {step}, with {count_name}={count}; "
            "or give --num-shards and --shard-id"
        )
    return LaunchedProcess(number, count)


def _number(name: str, default: Optional[int] = None) -> int:
    """The value of an environment variable, 0 or more."""
    text = os.environ.get(name)
    if text is None and default is not None:
        return default
    if text is None:
        other = "RANK" if name == "WORLD_SIZE" else "WORLD_SIZE"
        raise ValueError(f"{name}: not set, but {other} is; set both, as torchrun does, or give --num-shards")
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name}={text}: expected a number, 0 or more; or give --num-shards and --shard-id")
    return int(text)
