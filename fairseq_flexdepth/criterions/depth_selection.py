"""The paper's objective for a depth selector: classify which depth pairs are best for a sentence ([dabre2020] §4.2)."""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks import FairseqTask
from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.depth_selection_base import DepthSelectionCriterion
from fairseq_flexdepth.protocols import Sample


@dataclass
class PaperDepthSelectionConfig(FairseqDataclass):
    """Options of ``--criterion depth_selection``."""

    selector_alpha: float = field(
        default=1.0,
        metadata={
            "help": "alpha: a depth pair that is best for a share p of the training sentences has the class weight "
            "(1-p)^alpha"
        },
    )
    selector_beta: float = field(
        default=1.0, metadata={"help": "beta of the F-beta in the loss: recall counts beta times as much as precision"}
    )
    selector_lambda: float = field(
        default=0.5, metadata={"help": "weight of the cross-entropy in the loss; 1 - F-beta has the weight 1 - lambda"}
    )
    selector_threshold: float = field(
        default=0.5,
        metadata={"help": "for the logged values only: choose the deepest pair if no probability reaches this value"},
    )


@register_criterion("depth_selection", dataclass=PaperDepthSelectionConfig)
class PaperDepthSelectionCriterion(DepthSelectionCriterion):
    """λ · BCE + (1 − λ) · (1 − Fβ) for each sentence, over its K depth pairs ([dabre2020] Eqs. 3 and 4, w_ik = 1).

    Args:
        task: the depth selection task, which has the training labels.
        cfg: the options.

    Raises:
        ValueError: an option is out of range, or *task* is another task.
    """

    def __init__(self, task: FairseqTask, cfg: PaperDepthSelectionConfig) -> None:
        for name, allowed, right in (
            ("alpha", "a number of at least 0", 0 <= cfg.selector_alpha < math.inf),
            ("beta", "a number above 0", 0 < cfg.selector_beta < math.inf),
            ("lambda", "a number from 0 to 1", 0 <= cfg.selector_lambda <= 1),
            ("threshold", "a number from 0 to 1", 0 <= cfg.selector_threshold <= 1),
        ):
            if not right:
                raise ValueError(f"--selector-{name} {getattr(cfg, f'selector_{name}')}: expected {allowed}")
        super().__init__(task, "depth_selection", cfg.selector_beta, cfg.selector_threshold, exclusive=False)
        self.cfg = cfg
        best = torch.from_numpy(task.labels.best[task.labels.labelled])  # sentences × pairs
        self.class_weights = (1 - best.double().mean(dim=0)).pow(cfg.selector_alpha).float()  # δ: pairs; 0⁰ = 1

    @classmethod
    def build_criterion(cls, cfg: PaperDepthSelectionConfig, task: FairseqTask) -> "PaperDepthSelectionCriterion":
        """Build the criterion from its options."""
        return cls(task, cfg)

    def move_labels(self, device: torch.device) -> None:
        """Move the class weights too."""
        super().move_labels(device)
        self.class_weights = self.class_weights.to(device)

    def losses(self, logits: Tensor, sample: Sample) -> Tensor:
        """Compute the loss of each sentence, of shape batch; see the base class for the arguments."""
        best, weights = sample["target"].float(), self.class_weights
        cross_entropy = F.binary_cross_entropy_with_logits(logits, best, pos_weight=weights, reduction="none")
        share = self.cfg.selector_lambda
        # The cross-entropy is batch × pairs, Fβ is batch.
        return share * cross_entropy.mean(dim=1) + (1 - share) * (1 - soft_f_beta(logits, best, self.beta))


def soft_f_beta(logits: Tensor, best: Tensor, beta: float) -> Tensor:
    """Fβ of the probabilities ŷ = sigmoid(*logits*), one value per sentence ([dabre2020] Eq. 4).

    With P = µ/Σŷ and R = µ/Σy inserted, Eq. 4 becomes (1 + β²) µ / (β² Σy + Σŷ): the same value, but also defined where
    P and R are 0.

    Args:
        logits: batch × pairs.
        best: batch × pairs, 1 if the pair is among the best, else 0.
        beta: β.
    """
    outputs = torch.sigmoid(logits)  # batch × pairs
    hits = (outputs * best).sum(dim=1)  # batch: µ
    return (1 + beta**2) * hits / (beta**2 * best.sum(dim=1) + outputs.sum(dim=1))
