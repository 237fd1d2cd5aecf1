"""The machine and the versions that decoding times depend on."""

import os
import platform
import re
from typing import Any, Dict

import torch

from fairseq_flexdepth.cli.stack_versions import find_environment


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


def cpu_model() -> str:
    """The name of the processor, from Linux or else from Python."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return re.findall(r"model name\s*:\s*(.+)", file.read())[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
