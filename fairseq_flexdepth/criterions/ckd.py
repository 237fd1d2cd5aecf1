"""Combinatorial knowledge distillation: student layers learn from fused teacher layers ([wu2020] §3, Eq. 3)."""

from dataclasses import dataclass, field

from fairseq.dataclass import ChoiceEnum
from torch import nn

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.distillation_config import LayerDistillationConfig
from fairseq_flexdepth.criterions.layer_distillation import LayerDistillationCriterion
from fairseq_flexdepth.depth.teacher_layers import LayerMapping, map_layers
from fairseq_flexdepth.modules.losses.layer_fusion import StudentProjection, TeacherFusion


@dataclass
class CKDConfig(LayerDistillationConfig):
    """Options of ``--criterion ckd``."""

    ckd_mapping: str = field(
        default="rc",
        metadata={
            "help": "which teacher layers each student layer learns from; with 6 teacher and 2 student layers, rc: "
            "123/456, oc: 1234/3456, sc: 12/56, cc: 13/46; or an explicit mapping, such as 1:1+2+3,2:4+5+6"
        },
    )
    ckd_fusion: ChoiceEnum(("teacher", "student")) = field(  # type: ignore[valid-type]
        default="teacher",
        metadata={
            "help": "teacher: concatenate the teacher's layers and project them to the student's width (Eq. 3 of the "
            "paper); this can collapse to a constant representation; student: as in the released code, project the "
            "student's layer up, scale both to length 1 and sum the squared differences"
        },
    )


@register_criterion("ckd", dataclass=CKDConfig)
class CKDCriterion(LayerDistillationCriterion):
    """Layer distillation in which a student layer learns from several teacher layers at once.

    See :class:`LayerDistillationCriterion` for the loss.
    """

    name = "ckd"
    cfg: CKDConfig

    def map_layers(self, teacher: int, student: int) -> LayerMapping:
        """Map layers as ``--ckd-mapping`` says.

        Raises:
            ValueError: it does not fit these numbers of layers.
        """
        return map_layers(self.cfg.ckd_mapping, teacher, student)

    def build_fusion(self, student_width: int, teacher_width: int, layers: int) -> nn.Module:
        """Build the module of ``--ckd-fusion``; widths are in channels."""
        # Which of the two sides is projected.
        fusion = StudentProjection if str(self.cfg.ckd_fusion) == "student" else TeacherFusion
        return fusion(student_width, teacher_width, layers)
