"""Word-level knowledge distillation ([kim2016] §2.2, §3.1; "regular KD" in [wu2020])."""

from dataclasses import dataclass, field
from typing import Any, Dict, Tuple

from fairseq.tasks import FairseqTask
from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.distillation import DistillationCriterion
from fairseq_flexdepth.criterions.distillation_config import DistillationConfig
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture
from fairseq_flexdepth.protocols import Sample


@dataclass
class WordKDConfig(DistillationConfig):
    """Options of ``--criterion word_kd``."""

    kd_alpha: float = field(
        default=0.5,
        metadata={"help": "weight of the distillation; the cross-entropy has the weight 1 - alpha; 0 needs no teacher"},
    )


@register_criterion("word_kd", dataclass=WordKDConfig)
class WordKDCriterion(DistillationCriterion):
    """(1 − α) · cross-entropy + α · T² · (− Σ_v q_T(v) · log p_T(v)), averaged over the student's depth pairs.

    q_T and p_T are the distributions of teacher and student over the words v, at temperature T ([hinton2015] §2).
    """

    name = "word_kd"
    cfg: WordKDConfig

    def __init__(self, task: FairseqTask, cfg: WordKDConfig) -> None:
        if not 0 <= cfg.kd_alpha <= 1:
            raise ValueError(f"--kd-alpha {cfg.kd_alpha}: expected a number from 0 to 1")
        super().__init__(task, cfg)

    @property
    def mixture(self) -> Mixture:
        """The weights 1 − α and α, the label smoothing and the temperature."""
        return Mixture(1 - self.cfg.kd_alpha, self.cfg.kd_alpha, self.cfg.label_smoothing, self.cfg.kd_temperature)

    def forward(
        self, model: Any, sample: Sample, reduce: bool = True
    ) -> Tuple[Tensor, Any, Dict[str, Any]]:
        """The loss of a batch, the sample size to divide it by, and the logging output; *reduce* is not used."""
        losses = self.student_losses(model, self.scored(sample), self.teacher_output(model, sample))
        return self.criterion_output(losses.loss, sample, losses.logged)
