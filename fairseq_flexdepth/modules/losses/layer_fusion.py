"""How a student layer is compared with the teacher layers that it learns from (ckd Eq. 3; pkd)."""

from typing import Any, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fairseq_flexdepth.modules.losses.token_weights import Counted, weighted_mean


class TeacherFusion(nn.Module):
    """The squared difference from the teacher's layers, concatenated and projected to the student's width (Eq. 3).

    One layer of the student's own width is taken as it is where *project_single* is false: PKD.

    Args:
        student_width: channels of the student.
        teacher_width: channels of the teacher.
        layers: the number of teacher layers.
        project_single: project a single layer of the student's width, too.
    """

    def __init__(self, student_width: int, teacher_width: int, layers: int, project_single: bool = True) -> None:
        super().__init__()
        as_it_is = layers == 1 and student_width == teacher_width and not project_single
        self.projection = None if as_it_is else _linear(layers * teacher_width, student_width)

    def forward(self, student: Tensor, teacher: Sequence[Tensor], counted: Counted, target_tokens: Any) -> Tensor:
        """The mean over all positions and channels of (l_s − f_t)², times *target_tokens*; 0 where none counts.

        Args:
            student: length × batch × student channels.
            teacher: of each layer, length × batch × teacher channels.
            counted: the positions that count.
            target_tokens: what fairseq will divide the loss by.
        """
        fused = torch.cat([counted.of(layer) for layer in teacher], dim=-1)
        if self.projection is not None:
            fused = self.projection(fused)
        differences = (counted.of(student).float() - fused.float()).pow(2).mean(dim=-1)
        return weighted_mean(differences, counted.weights) * target_tokens


class StudentProjection(nn.Module):
    """The released code's form: the student is projected up to the concatenated teacher layers, both are scaled to
    length 1, and the squared differences are summed."""

    def __init__(self, student_width: int, teacher_width: int, layers: int) -> None:
        super().__init__()
        self.projection = _linear(student_width, layers * teacher_width)

    def forward(self, student: Tensor, teacher: Sequence[Tensor], counted: Counted, target_tokens: Any) -> Tensor:
        """The sum over all positions and channels; for the arguments see :class:`TeacherFusion`."""
        fused = functional.normalize(torch.cat([counted.of(layer) for layer in teacher], dim=-1).float(), dim=-1)
        projected = functional.normalize(self.projection(counted.of(student)).float(), dim=-1)
        return ((projected - fused).pow(2).sum(dim=-1) * counted.weights).sum()


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Initialised as fairseq initialises the projections of its Transformer."""
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
