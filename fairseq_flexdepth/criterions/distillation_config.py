"""Options of the distillation criterions."""

from dataclasses import dataclass, field
from typing import Optional

from omegaconf import II

from fairseq_flexdepth.criterions.multi_depth_config import MultiDepthConfig


@dataclass
class DistillationConfig(MultiDepthConfig):
    """Options of all distillation criterions; the depth options are only for students of many depths."""

    teacher_path: Optional[str] = field(
        default=None,
        metadata={"help": "the teacher's checkpoint; a.pt:b.pt is an ensemble, whose distributions are averaged"},
    )
    kd_temperature: float = field(
        default=1.0,
        metadata={
            "help": "temperature T of the distributions of teacher and student; the word-level distillation loss is "
            "multiplied by T^2"
        },
    )
    kd_topk: int = field(
        default=0,
        metadata={
            "help": "learn only from the teacher's k most probable words, rescaled to sum 1 (0: all words); the "
            "probability of the words left out is logged as kd_dropped"
        },
    )


@dataclass
class LayerDistillationConfig(DistillationConfig):
    """Options of ``--criterion pkd`` and ``--criterion ckd``."""

    kd_eta: float = field(
        default=0.1, metadata={"help": "eta, the weight of the word-level distillation in the loss"}
    )
    kd_lambda: float = field(
        default=0.7,
        metadata={"help": "lambda, the weight of the layer loss; the weight of the cross-entropy is 1 - eta - lambda"},
    )
    distill_decoder: bool = field(
        default=False,
        metadata={
            "help": "also distil the decoder's layers; the paper reports considerably lower quality"
        },
    )
    no_save_optimizer_state: bool = II("checkpoint.no_save_optimizer_state")
    reset_optimizer: bool = II("checkpoint.reset_optimizer")
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")
