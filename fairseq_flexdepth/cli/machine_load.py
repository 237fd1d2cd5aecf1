"""How busy the machine is. This module does not import torch, which would make it busier."""

import logging
import os
from typing import Any, Dict, Optional

logger = logging.getLogger(__name__)


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
