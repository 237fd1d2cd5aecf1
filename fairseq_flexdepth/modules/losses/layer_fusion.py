"""Layer losses: a student layer compared with the teacher layers that it learns from ([wu2020] Eq. 3; [sun2019])."""

from typing import Sequence, Union

import torch
from torch import Tensor, nn
from torch.nn import functional

from fairseq_flexdepth.modules.losses.token_weights import Counted, weighted_mean

Number = Union[int, Tensor]  # a scalar


class TeacherFusion(nn.Module):
    """The squared difference between a student layer and its teacher layers, fused into one ([wu2020] Eq. 3).

    The teacher layers are concatenated and projected to the student's width. PKD ([sun2019]) does not project a single
    teacher layer of the student's width.

    Args:
        student_width: channels of the student.
        teacher_width: channels of the teacher.
        layers: the number of teacher layers.
        project_single: whether to project a single teacher layer of the student's width, too.

    Example:
        >>> fusion = TeacherFusion(student_width=8, teacher_width=16, layers=3)
        >>> student, teacher = torch.randn(5, 2, 8), [torch.randn(5, 2, 16) for _ in range(3)]  # 5 words, 2 sentences
        >>> loss = fusion(student, teacher, counted_positions(torch.ones(2, 5)), target_tokens=12)
        >>> loss.backward()  # and with it the projection learns
    """

    def __init__(self, student_width: int, teacher_width: int, layers: int, project_single: bool = True) -> None:
        super().__init__()
        identity = layers == 1 and student_width == teacher_width and not project_single
        self.projection = None if identity else _linear(layers * teacher_width, student_width)

    def forward(self, student: Tensor, teacher: Sequence[Tensor], counted: Counted, target_tokens: Number) -> Tensor:
        """The mean of (l_s − f_t)² over all positions and channels, times *target_tokens*.

        Args:
            student: length × batch × student channels.
            teacher: length × batch × teacher channels per layer.
            counted: the positions that count.
            target_tokens: the number of target words, by which fairseq will divide the loss.

        Returns:
            A scalar; 0 if no position counts.
        """
        fused = torch.cat([counted.of(layer) for layer in teacher], dim=-1)  # positions × (layers · teacher channels)
        if self.projection is not None:
            fused = self.projection(fused)  # positions × student channels
        differences = (counted.of(student).float() - fused.float()).pow(2).mean(dim=-1)  # positions
        return weighted_mean(differences, counted.weights) * target_tokens


class StudentProjection(nn.Module):
    """The form of the paper's released code: the student is projected to the width of its concatenated teacher layers.

    Both are scaled to length 1, and the squared differences are summed.

    Args:
        student_width: channels of the student.
        teacher_width: channels of the teacher.
        layers: the number of teacher layers.
    """

    def __init__(self, student_width: int, teacher_width: int, layers: int) -> None:
        super().__init__()
        self.projection = _linear(student_width, layers * teacher_width)

    def forward(self, student: Tensor, teacher: Sequence[Tensor], counted: Counted, target_tokens: Number) -> Tensor:
        """The sum over all positions and channels; for the arguments see :meth:`TeacherFusion.forward`."""
        fused = torch.cat([counted.of(layer) for layer in teacher], dim=-1)  # positions × (layers · teacher channels)
        fused = functional.normalize(fused.float(), dim=-1)
        projected = self.projection(counted.of(student))  # positions × (layers · teacher channels)
        projected = functional.normalize(projected.float(), dim=-1)
        return ((projected - fused).pow(2).sum(dim=-1) * counted.weights).sum()


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, initialised like the projections of fairseq's Transformer."""
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
