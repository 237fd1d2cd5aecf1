"""What decodes: the machine and the versions that times depend on."""

import os
import platform
import re
from typing import Any, Dict

import torch

from fairseq_flexdepth.cli.stack_versions import find_environment


def describe_machine(use_cuda: bool) -> Dict[str, Any]:
    """The processor that computes, by name, and what else makes a difference to its speed."""
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
    """The name of the processor as Linux knows it, elsewhere what Python says."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return re.findall(r"model name\s*:\s*(.+)", file.read())[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
