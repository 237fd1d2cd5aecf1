"""Patient knowledge distillation: student layers learn from single teacher layers (ckd §2, §4.1)."""

from dataclasses import dataclass, field
from typing import Any, Optional, Sequence

from torch import Tensor, nn

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.layer_distillation import LayerDistillationConfig, LayerDistillationCriterion
from fairseq_flexdepth.depth.teacher_layers import LayerMapping, map_layers, skip_mapping
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.attention_map import attention_loss, attention_map
from fairseq_flexdepth.modules.losses.layer_fusion import TeacherFusion
from fairseq_flexdepth.modules.losses.token_weights import Counted


@dataclass
class PKDConfig(LayerDistillationConfig):
    """Options of ``--criterion pkd``."""

    ckd_mapping: Optional[str] = field(
        default=None,
        metadata={
            "help": "which teacher layer each student layer learns from, such as 1:3,2:6 (default: that of equal "
            "shares, the last of each)"
        },
    )
    pkd_attention: bool = field(
        default=False,
        metadata={"help": "let the self-attention of the encoder's layers learn from that of the same layers, too"},
    )


@register_criterion("pkd", dataclass=PKDConfig)
class PKDCriterion(LayerDistillationCriterion):
    """See :class:`LayerDistillationCriterion`; a teacher layer of the student's width is taken as it is."""

    name = "pkd"
    cfg: PKDConfig

    def __init__(self, task: Any, cfg: PKDConfig) -> None:
        super().__init__(task, cfg)
        if cfg.pkd_attention:
            self.refuse_shards("--pkd-attention: projects queries and keys outside of the model's forward pass")

    def map_layers(self, teacher: int, student: int) -> LayerMapping:
        """Equal shares, or ``--ckd-mapping`` with a single teacher layer each.

        Raises:
            ValueError: the mapping does not fit these numbers of layers, or names several.
        """
        if self.cfg.ckd_mapping is None:
            return skip_mapping(teacher, student)
        mapping = map_layers(self.cfg.ckd_mapping, teacher, student)
        if any(len(layers) > 1 for layers in mapping.values()):
            raise ValueError(
                f"--ckd-mapping {self.cfg.ckd_mapping}: --criterion pkd takes one teacher layer for each, such as "
                "1:3,2:6; --criterion ckd combines several"
            )
        return mapping

    def build_fusion(self, student_width: int, teacher_width: int, layers: int) -> nn.Module:
        """Nothing is projected but what differs in width."""
        return TeacherFusion(student_width, teacher_width, layers, project_single=False)

    def compare(
        self, side: str, student: LayerTrace, teacher: Sequence[LayerTrace], counted: Counted, target_tokens: Any
    ) -> Tensor:
        """The layers' difference and, if asked for, that of their self-attention."""
        difference = super().compare(side, student, teacher, counted, target_tokens)
        if not self.cfg.pkd_attention or side == "decoder":
            return difference
        padding = counted.all_weights == 0
        own, taught = (attention_map(run.layer, run.inputs, padding) for run in (student, teacher[0]))
        return difference + target_tokens * attention_loss(own, taught, counted.all_weights)

    def check_model(self, model: Any) -> None:
        """As the base class.

        Raises:
            ValueError: also where the student's layers are recomputed, outside of which attention is projected.
        """
        if self.cfg.pkd_attention and getattr(getattr(model, "cfg", None), "checkpoint_activations", False):
            raise ValueError("--pkd-attention: cannot be combined with --checkpoint-activations; leave one of them out")
        super().check_model(model)
