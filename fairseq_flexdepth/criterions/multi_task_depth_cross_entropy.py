"""The objective of multi-task flexible depth ([wang2020] Algorithm 1), under a name that its readers expect.

It is the tied-multi objective: the mean over all tasks (depth pairs). The paper takes the sum, whose gradient has the
same direction.
"""

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)


@register_criterion("multi_task_depth_cross_entropy", dataclass=TiedMultiCrossEntropyConfig)
class MultiTaskDepthCrossEntropyCriterion(TiedMultiCrossEntropyCriterion):
    """The mean of the losses of all depth pairs; see :class:`TiedMultiCrossEntropyCriterion`."""

    name = "multi_task_depth_cross_entropy"
