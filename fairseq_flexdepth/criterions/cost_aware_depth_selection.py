"""A depth selector's objective that pays for time: the expected score less what the time is worth.

It is of none of the papers.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Dict

import torch
from fairseq.dataclass import FairseqDataclass
from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.depth_selection_base import DepthSelectionCriterion


@dataclass
class CostAwareDepthSelectionConfig(FairseqDataclass):
    """Options of ``--criterion cost_aware_depth_selection``."""

    selector_time_cost: float = field(
        default=1.0, metadata={"help": "how many points of the score the time of the deepest pair is worth"}
    )
    selector_entropy: float = field(
        default=1.0,
        metadata={
            "help": "how many points a nat of the outputs' entropy is worth: keeps the selector from settling on one "
            "pair before it has learned"
        },
    )


@register_criterion("cost_aware_depth_selection", dataclass=CostAwareDepthSelectionConfig)
class CostAwareDepthSelectionCriterion(DepthSelectionCriterion):
    """The expected regret Σ_k softmax_k · (max_j u_j − u_k), where u_k = score_k − c · relative seconds_k, less τ times
    the entropy of the softmax.

    The regret is the negative expected utility plus a constant: same gradients, but 0 is what a clairvoyant reaches.
    The pair of the highest output is chosen, without a threshold. The entropy does not change which one that should
    be: the best outputs are in proportion to exp(expected u_k / τ). Without it (τ = 0) they soon are 0 and 1, where
    gradients vanish: on Multi30k one pair was chosen for every sentence after 100 updates, for good.

    The loss is in points of the score, which range to 100, and so is its gradient: softmax_k · (regret_k − expected
    regret) for a logit, of the order of the points between the pairs, where that of ``depth_selection`` is below 1/K.
    Adam does not mind. Under ``nag`` take a learning rate that much smaller, or ``--clip-norm``.
    """

    def __init__(self, task: Any, cfg: CostAwareDepthSelectionConfig) -> None:
        for name, value in (("time-cost", cfg.selector_time_cost), ("entropy", cfg.selector_entropy)):
            if not 0 <= value < math.inf:
                raise ValueError(f"--selector-{name} {value}: expected a number of at least 0")
        super().__init__(task, "cost_aware_depth_selection", beta=1.0, threshold=0.0, exclusive=True)
        self.cfg = cfg

    @classmethod
    def build_criterion(cls, cfg: CostAwareDepthSelectionConfig, task: Any) -> "CostAwareDepthSelectionCriterion":
        return cls(task, cfg)

    def losses(self, logits: Tensor, sample: Dict[str, Any]) -> Tensor:
        """The loss of each sentence: batch."""
        scores = sample["scores"].double()  # batch × pairs
        utilities = scores - self.cfg.selector_time_cost * self.relative_seconds
        regrets = utilities.max(dim=1, keepdim=True)[0] - utilities
        log_outputs = torch.log_softmax(logits, dim=1)
        return (log_outputs.exp() * (regrets.float() + self.cfg.selector_entropy * log_outputs)).sum(dim=1)
