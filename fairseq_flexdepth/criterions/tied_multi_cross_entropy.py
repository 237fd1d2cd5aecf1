"""The tied-multi objective: label-smoothed cross-entropy, averaged over all depth pairs ([dabre2020] Algorithm 1)."""

from dataclasses import dataclass
from typing import Any, Dict, Tuple

from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.multi_depth import MultiDepthCriterion
from fairseq_flexdepth.criterions.multi_depth_config import MultiDepthConfig
from fairseq_flexdepth.protocols import Sample, TrainedModel


@dataclass
class TiedMultiCrossEntropyConfig(MultiDepthConfig):
    """Options of ``--criterion tied_multi_cross_entropy``."""


@register_criterion("tied_multi_cross_entropy", dataclass=TiedMultiCrossEntropyConfig)
class TiedMultiCrossEntropyCriterion(MultiDepthCriterion):
    """The mean of the losses of all depth pairs, or with ``--depth-weights`` their weighted mean."""

    name = "tied_multi_cross_entropy"

    def forward(
        self, model: TrainedModel, sample: Sample, reduce: bool = True
    ) -> Tuple[Tensor, Any, Dict[str, Any]]:
        """The loss of a batch, the sample size to divide it by, and the logging output; *reduce* is not used."""
        losses, logged = self.losses_of_all_pairs(model, self.scored(sample))
        return self.criterion_output(losses["loss"], sample, logged)
