"""Word-level knowledge distillation (sequence_kd §2.2, §3.1; "regular KD" in ckd)."""

from dataclasses import dataclass, field
from typing import Any, Dict, Tuple

from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.distillation import DistillationConfig, DistillationCriterion
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture


@dataclass
class WordKDConfig(DistillationConfig):
    """Options of ``--criterion word_kd``."""

    kd_alpha: float = field(
        default=0.5,
        metadata={"help": "share of the distillation in the loss; 0: label_smoothed_cross_entropy, no teacher"},
    )


@register_criterion("word_kd", dataclass=WordKDConfig)
class WordKDCriterion(DistillationCriterion):
    """(1 − α) · cross-entropy + α · T² · (− Σ_v q_T(v) · log p_T(v)), for every depth pair of the student."""

    name = "word_kd"
    cfg: WordKDConfig

    def __init__(self, task: Any, cfg: WordKDConfig) -> None:
        if not 0 <= cfg.kd_alpha <= 1:
            raise ValueError(f"--kd-alpha {cfg.kd_alpha}: expected a number from 0 to 1")
        super().__init__(task, cfg)

    @property
    def mixture(self) -> Mixture:
        return Mixture(1 - self.cfg.kd_alpha, self.cfg.kd_alpha, self.cfg.label_smoothing, self.cfg.kd_temperature)

    def forward(
        self, model: Any, sample: Dict[str, Any], reduce: bool = True
    ) -> Tuple[Tensor, int, Dict[str, Any]]:
        """The loss, the sample size it is to be divided by, and what to log."""
        losses = self.student_losses(model, sample, self.teacher_output(model, sample))
        return self.criterion_output(losses.loss, sample, losses.logged)
