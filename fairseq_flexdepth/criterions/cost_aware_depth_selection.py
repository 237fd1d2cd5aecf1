"""An objective for a depth selector that trades quality against time: the expected score minus a price for time.

It is our own; none of the papers has it.
"""

import math
from dataclasses import dataclass, field

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks import FairseqTask
from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.depth_selection_base import DepthSelectionCriterion
from fairseq_flexdepth.protocols import Sample


@dataclass
class CostAwareDepthSelectionConfig(FairseqDataclass):
    """Options of ``--criterion cost_aware_depth_selection``."""

    selector_time_cost: float = field(
        default=1.0,
        metadata={"help": "price of time, in points of the score per decoding time of the deepest pair"},
    )
    selector_entropy: float = field(
        default=1.0,
        metadata={
            "help": "weight of the entropy of the probabilities, in points of the score per nat: regularises against "
            "premature collapse to one depth pair"
        },
    )


@register_criterion("cost_aware_depth_selection", dataclass=CostAwareDepthSelectionConfig)
class CostAwareDepthSelectionCriterion(DepthSelectionCriterion):
    """The expected regret Σ_k p_k · (max_j u_j − u_k), minus τ times the entropy of p, where p is the softmax over the
    depth pairs and u_k = score_k − c · relative seconds_k is the utility of pair k.

    The regret is a constant minus the expected utility: it has the same gradients, and 0 is the best possible value.
    The pair with the highest probability is chosen, without a threshold. The entropy does not change the best choice:
    the optimal p_k are proportional to exp(expected u_k / τ). Without the entropy (τ = 0) the probabilities soon
    become 0 and 1, where gradients vanish: on Multi30k, one pair was chosen for all sentences after 100 updates, and
    this never changed again.

    The loss is in points of the score (0 to 100), and so are its gradients: p_k · (regret_k − expected regret) for
    logit k, as large as the score differences between the pairs. Those of ``depth_selection`` are below 1/K. This
    makes no difference to Adam. With ``--optimizer nag`` use a smaller learning rate, or ``--clip-norm``.

    Args:
        task: the depth selection task, which has the training labels.
        cfg: the options; ``--selector-time-cost`` is c, ``--selector-entropy`` τ.

    Raises:
        ValueError: an option is out of range, or *task* is another task.
    """

    def __init__(self, task: FairseqTask, cfg: CostAwareDepthSelectionConfig) -> None:
        for name, value in (("time-cost", cfg.selector_time_cost), ("entropy", cfg.selector_entropy)):
            if not 0 <= value < math.inf:
                raise ValueError(f"--selector-{name} {value}: expected a number of at least 0")
        super().__init__(task, "cost_aware_depth_selection", beta=1.0, threshold=0.0, exclusive=True)
        self.cfg = cfg

    @classmethod
    def build_criterion(
        cls, cfg: CostAwareDepthSelectionConfig, task: FairseqTask
    ) -> "CostAwareDepthSelectionCriterion":
        """Build the criterion from its options."""
        return cls(task, cfg)

    def losses(self, logits: Tensor, sample: Sample) -> Tensor:
        """Compute the loss of each sentence, of shape batch; see the base class for the arguments."""
        scores = sample["scores"].double()  # batch × pairs
        utilities = scores - self.cfg.selector_time_cost * self.relative_seconds
        regrets = utilities.max(dim=1, keepdim=True)[0] - utilities  # batch × pairs
        log_outputs = torch.log_softmax(logits, dim=1)  # batch × pairs: log p
        # Σ_k p_k · log p_k is the negative entropy, so it is added.
        return (log_outputs.exp() * (regrets.float() + self.cfg.selector_entropy * log_outputs)).sum(dim=1)
