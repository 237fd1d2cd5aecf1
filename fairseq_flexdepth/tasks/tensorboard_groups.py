"""TensorBoard shows the values of all depth pairs in one group; it groups names by the part before a slash."""

import re
from typing import Any, Dict, Optional

from fairseq.logging import progress_bar
from fairseq.logging.progress_bar import TensorboardProgressBarWrapper

from fairseq_flexdepth.depth.supported_depths import DEPTH_SUFFIX

OF_A_PAIR = re.compile(rf"(\w+)_({DEPTH_SUFFIX})$")


class GroupedTensorboard(TensorboardProgressBarWrapper):
    """fairseq's writer for TensorBoard, with the depth pairs of a metric in one group.

    Only TensorBoard gets other names. Logs, checkpoints, ``--best-checkpoint-metric`` and Weights & Biases, which has
    one section per split in any case, keep ``nll_e<n>d<m>`` and ``nll_d<m>``.
    """

    def _log_to_tensorboard(self, stats: Dict[str, Any], tag: Optional[str] = None, step: Optional[int] = None) -> None:
        super()._log_to_tensorboard(grouped(stats), tag, step)


def grouped(stats: Dict[str, Any]) -> Dict[str, Any]:
    """The same values, with ``nll_e3d2`` renamed to ``nll/e3d2``."""
    return {OF_A_PAIR.sub(r"\1/\2", key): value for key, value in stats.items()}


def group_depth_pairs() -> None:
    """Let fairseq's progress bars use :class:`GroupedTensorboard`."""
    progress_bar.TensorboardProgressBarWrapper = GroupedTensorboard
