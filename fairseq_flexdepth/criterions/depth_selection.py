"""The paper's objective of a depth selector: which pairs are among the best for a sentence (tied_multi §4.2)."""

import math
from dataclasses import dataclass, field
from typing import Any, Dict

import torch
import torch.nn.functional as F
from fairseq.dataclass import FairseqDataclass
from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.depth_selection_base import DepthSelectionCriterion


@dataclass
class PaperDepthSelectionConfig(FairseqDataclass):
    """Options of ``--criterion depth_selection``."""

    selector_alpha: float = field(
        default=1.0, metadata={"help": "weigh a pair that is best for a share p of the sentences by (1-p)^alpha"}
    )
    selector_beta: float = field(
        default=1.0, metadata={"help": "F-beta: how many times as much recall counts as precision"}
    )
    selector_lambda: float = field(
        default=0.5, metadata={"help": "share of the cross-entropy in the loss; the rest is 1 - F-beta"}
    )
    selector_threshold: float = field(
        default=0.5,
        metadata={"help": "of what is logged: the deepest pair is chosen where no output reaches this"},
    )


@register_criterion("depth_selection", dataclass=PaperDepthSelectionConfig)
class PaperDepthSelectionCriterion(DepthSelectionCriterion):
    """λ · BCE + (1 − λ) · (1 − Fβ), Eqs. 3 and 4, of each sentence over its K pairs; w_ik = 1."""

    def __init__(self, task: Any, cfg: PaperDepthSelectionConfig) -> None:
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
        self.class_weights = (1 - best.double().mean(dim=0)).pow(cfg.selector_alpha).float()  # δ, pairs; 0⁰ = 1

    @classmethod
    def build_criterion(cls, cfg: PaperDepthSelectionConfig, task: Any) -> "PaperDepthSelectionCriterion":
        return cls(task, cfg)

    def move_labels(self, device: torch.device) -> None:
        """As the base class."""
        super().move_labels(device)
        self.class_weights = self.class_weights.to(device)

    def losses(self, logits: Tensor, sample: Dict[str, Any]) -> Tensor:
        """The loss of each sentence: batch."""
        best, weights = sample["target"].float(), self.class_weights
        cross_entropy = F.binary_cross_entropy_with_logits(logits, best, pos_weight=weights, reduction="none")
        share = self.cfg.selector_lambda
        return share * cross_entropy.mean(dim=1) + (1 - share) * (1 - soft_f_beta(logits, best, self.beta))


def soft_f_beta(logits: Tensor, best: Tensor, beta: float) -> Tensor:
    """Fβ of the sigmoids ŷ, Eq. 4, for each sentence.

    With P = µ/Σŷ and R = µ/Σy put in, Eq. 4 is (1 + β²) µ / (β² Σy + Σŷ): the same value, but defined where P and R
    are 0 too.

    Args:
        logits: batch × pairs.
        best: batch × pairs, 1 where a pair is among the best and 0 elsewhere.
        beta: β.
    """
    outputs = torch.sigmoid(logits)
    hits = (outputs * best).sum(dim=1)  # µ
    return (1 + beta**2) * hits / (beta**2 * best.sum(dim=1) + outputs.sum(dim=1))
