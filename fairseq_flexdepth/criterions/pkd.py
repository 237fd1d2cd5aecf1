"""Patient knowledge distillation: student layers learn from single teacher layers ([sun2019]; [wu2020] §2, §4.1)."""

from dataclasses import dataclass, field
from typing import Any, Optional, Sequence

from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.distillation_config import LayerDistillationConfig
from fairseq_flexdepth.criterions.layer_distillation import LayerDistillationCriterion
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
            "help": "which teacher layer each student layer learns from, such as 1:3,2:6 (default: cut the teacher's "
            "layers into equal parts, one per student layer, and take the last layer of each part)"
        },
    )
    pkd_attention: bool = field(
        default=False,
        metadata={"help": "also distil the self-attention maps of the mapped encoder layers"},
    )


@register_criterion("pkd", dataclass=PKDConfig)
class PKDCriterion(LayerDistillationCriterion):
    """Layer distillation in which a student layer learns from one teacher layer.

    A teacher layer of the student's width is compared without a projection. See :class:`LayerDistillationCriterion` for
    the loss.
    """

    name = "pkd"
    cfg: PKDConfig

    def __init__(self, task: FairseqTask, cfg: PKDConfig) -> None:
        super().__init__(task, cfg)
        if cfg.pkd_attention:
            self.refuse_shards("--pkd-attention: projects queries and keys outside of the model's forward pass")

    def map_layers(self, teacher: int, student: int) -> LayerMapping:
        """Map layers as ``--ckd-mapping`` says, or to the last layer of each equal part.

        Raises:
            ValueError: the mapping does not fit these numbers of layers, or names several.
        """
        if self.cfg.ckd_mapping is None:
            return skip_mapping(teacher, student)
        mapping = map_layers(self.cfg.ckd_mapping, teacher, student)
        # PKD learns from single layers: one attention map cannot be compared with several.
        if any(len(layers) > 1 for layers in mapping.values()):
            raise ValueError(
                f"--ckd-mapping {self.cfg.ckd_mapping}: --criterion pkd needs one teacher layer per student "
                "layer, such as 1:3,2:6; --criterion ckd combines several teacher layers"
            )
        return mapping

    def build_fusion(self, student_width: int, teacher_width: int, layers: int) -> nn.Module:
        """Build the comparison with one teacher layer; a projection is only needed if the widths differ."""
        return TeacherFusion(student_width, teacher_width, layers, project_single=False)

    def compare(
        self, side: str, student: LayerTrace, teacher: Sequence[LayerTrace], counted: Counted, target_tokens: Any
    ) -> Tensor:
        """The loss of one student layer; with ``--pkd-attention`` the difference of the attention maps is added."""
        difference = super().compare(side, student, teacher, counted, target_tokens)
        if not self.cfg.pkd_attention or side == "decoder":
            return difference
        padding = counted.all_weights == 0  # batch × length
        # Recomputed from the layers' inputs, because fairseq's attention returns no maps in training.
        own, taught = (attention_map(run.layer, run.inputs, padding) for run in (student, teacher[0]))
        return difference + target_tokens * attention_loss(own, taught, counted.all_weights)

    def check_model(self, model: Any) -> None:
        """Check the student *model* as the base class does.

        Raises:
            ValueError: also if ``--pkd-attention`` is combined with ``--checkpoint-activations``: the attention maps
                are computed from layer inputs outside of the recomputed layers.
        """
        if self.cfg.pkd_attention and getattr(getattr(model, "cfg", None), "checkpoint_activations", False):
            raise ValueError("--pkd-attention: cannot be combined with --checkpoint-activations; leave one of them out")
        super().check_model(model)
