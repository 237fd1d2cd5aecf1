"""Combinatorial knowledge distillation: student layers learn from fused teacher layers (ckd §3, Eq. 3)."""

from dataclasses import dataclass, field

from fairseq.dataclass import ChoiceEnum
from torch import nn

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.layer_distillation import LayerDistillationConfig, LayerDistillationCriterion
from fairseq_flexdepth.depth.teacher_layers import LayerMapping, map_layers
from fairseq_flexdepth.modules.losses.layer_fusion import StudentProjection, TeacherFusion


@dataclass
class CKDConfig(LayerDistillationConfig):
    """Options of ``--criterion ckd``."""

    ckd_mapping: str = field(
        default="rc",
        metadata={
            "help": "which teacher layers each student layer learns from; of 6 layers and 2, rc: 123/456, oc: "
            "1234/3456, sc: 12/56, cc: 13/46; or explicitly, 1:1+2+3,2:4+5+6"
        },
    )
    ckd_fusion: ChoiceEnum(("teacher", "student")) = field(  # type: ignore[valid-type]
        default="teacher",
        metadata={
            "help": "teacher: its layers are concatenated and projected to the student's width (Eq. 3), which may "
            "collapse: a constant pleases both; student: as in the released code, the student is projected up, both "
            "are scaled to length 1, and differences summed"
        },
    )


@register_criterion("ckd", dataclass=CKDConfig)
class CKDCriterion(LayerDistillationCriterion):
    """See :class:`LayerDistillationCriterion`; every student layer learns from several teacher layers at once."""

    name = "ckd"
    cfg: CKDConfig

    def map_layers(self, teacher: int, student: int) -> LayerMapping:
        """``--ckd-mapping``.

        Raises:
            ValueError: it does not fit these numbers of layers.
        """
        return map_layers(self.cfg.ckd_mapping, teacher, student)

    def build_fusion(self, student_width: int, teacher_width: int, layers: int) -> nn.Module:
        """``--ckd-fusion``."""
        fusion = StudentProjection if str(self.cfg.ckd_fusion) == "student" else TeacherFusion
        return fusion(student_width, teacher_width, layers)
