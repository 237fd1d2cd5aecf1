"""The machine and the versions that decoding times depend on."""

import logging
import os
import platform
import re
from typing import Any, Dict, Optional

import torch

from fairseq_flexdepth.cli.stack_versions import find_environment

logger = logging.getLogger(__name__)


def describe_machine(use_cuda: bool) -> Dict[str, Any]:
    """Describe the machine for reports: processor, cores, threads, GPU, versions of Python, torch and fairseq.

    Args:
        use_cuda: whether the GPU decodes; else ``gpu`` is ``None``.
    """
    versions = find_environment().versions
    fairseq = next(
        (f"{name} {versions[name]}" for name in ("fairseq-fixed", "fairseq") if versions.get(name)), "unknown"
    )
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if use_cuda else None,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "fairseq": fairseq,
    }


def describe_load(average: Optional[float], threads: int) -> Dict[str, Any]:
    """Describe how busy the machine was before a measurement, for reports.

    ``busy`` says whether other processes and the measurement's threads need more cores than there are, by a margin of
    half a core.

    Args:
        average: the load average of the last minute; ``None`` where the system has none.
        threads: the threads of the measurement.
    """
    cores = os.cpu_count() or 1
    busy = average is not None and average + threads > cores + 0.5 and average > 0.5
    return {"average": average, "cores": cores, "threads": threads, "busy": busy}


def warn_of_load(load: Dict[str, Any]) -> None:
    """Warn if the machine is busy, as :func:`describe_load` says."""
    if load["busy"]:
        logger.warning(
            "the machine is busy: load average %g of %d cores before this sweep, which uses %d threads; its times will "
            "be too long, so measure them again on an idle machine",
            load["average"], load["cores"], load["threads"],
        )  # fmt: skip


def load_average() -> Optional[float]:
    """How many processes ran or waited for a core on average during the last minute; ``None`` where it is unknown."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # not on every system
        return None


def cpu_model() -> str:
    """The name of the processor, from Linux or else from Python."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return re.findall(r"model name\s*:\s*(.+)", file.read())[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
