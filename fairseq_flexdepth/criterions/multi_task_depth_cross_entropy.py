"""The objective of multi-task flexible depth (flexible_depth, Algorithm 1), under the name its users look for.

It is the tied-multi objective: the mean over all tasks, where the paper takes the sum, which is the same direction.
"""

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)


@register_criterion("multi_task_depth_cross_entropy", dataclass=TiedMultiCrossEntropyConfig)
class MultiTaskDepthCrossEntropyCriterion(TiedMultiCrossEntropyCriterion):
    """See :class:`TiedMultiCrossEntropyCriterion`."""

    name = "multi_task_depth_cross_entropy"
