"""What the distillation criterions have in common: a teacher, and students of one depth or of many."""

import inspect
import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from fairseq.logging import metrics
from fairseq.models import FairseqEncoderDecoderModel
from torch import Tensor

from fairseq_flexdepth.criterions.logged_sums import counted_tokens, mean
from fairseq_flexdepth.criterions.multi_depth import MultiDepthConfig, MultiDepthCriterion
from fairseq_flexdepth.models.depth_losses import WordDistillation
from fairseq_flexdepth.models.teacher import TeacherOutput, load_teacher
from fairseq_flexdepth.modules.layer_trace import LayerTrace, traced
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture, distilled_cross_entropy
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets

DEPTH_OPTIONS = ("depth_weights", "sample_encoder_depths", "sample_decoder_depths", "accumulate_depths")


@dataclass
class DistillationConfig(MultiDepthConfig):
    """Options of all distillation criterions; those of depths are for students that have depths."""

    teacher_path: Optional[str] = field(
        default=None,
        metadata={"help": "the teacher's checkpoint; a.pt:b.pt for an ensemble, whose distributions are averaged"},
    )
    kd_temperature: float = field(
        default=1.0,
        metadata={"help": "softens the distributions of teacher and student; their loss is multiplied by its square"},
    )
    kd_topk: int = field(
        default=0,
        metadata={
            "help": "learn from the teacher's k most probable words alone, scaled to sum 1 (0: all); what they leave "
            "out is logged as kd_dropped, a share of the probability"
        },
    )


class StudentLosses(NamedTuple):
    """A student's losses, sums over target tokens in nats."""

    loss: Tensor  # the mixture of cross-entropy and word-level distillation
    logged: Dict[str, Any]
    encoder_trace: List[LayerTrace]  # of the deepest pair, where asked for
    decoder_trace: List[LayerTrace]


class DistillationCriterion(MultiDepthCriterion):
    """Base of the distillation criterions: the student is any of fairseq's encoder-decoders.

    Where nothing is learnt from the teacher's distributions, the loss of a student of one depth is fairseq's
    ``label_smoothed_cross_entropy``, and of one of many depths our ``tied_multi_cross_entropy``, to the last bit.
    """

    cfg: DistillationConfig

    def __init__(self, task: Any, cfg: DistillationConfig) -> None:
        super().__init__(task, cfg)
        if not 0 < cfg.kd_temperature < math.inf:
            raise ValueError(f"--kd-temperature {cfg.kd_temperature}: expected a finite number above 0")
        words = len(task.target_dictionary)
        if not 0 <= cfg.kd_topk <= words:
            raise ValueError(f"--kd-topk {cfg.kd_topk}: expected 0 (all) to {words}, the size of the dictionary")
        if self.needs_teacher and cfg.teacher_path is None:
            raise ValueError(f"--teacher-path: required with --criterion {self.name}")
        self.teacher = load_teacher(str(cfg.teacher_path), task) if self.needs_teacher else None

    @property
    def mixture(self) -> Mixture:
        """How much of what the student is trained towards."""
        raise NotImplementedError

    @property
    def needs_teacher(self) -> bool:
        """Whether anything at all is learnt from the teacher."""
        return self.mixture.soft > 0

    def check_model(self, model: Any) -> None:
        """Find out whether the options fit the student.

        Raises:
            ValueError: it is no encoder-decoder, or has no depths but the options need some, or its positions or its
                output are none that a teacher could teach.
        """
        if not isinstance(model, FairseqEncoderDecoderModel):
            raise ValueError(f"--criterion {self.name}: expected an encoder-decoder, given {type(model).__name__}")
        _check_call(model, self.name)
        if hasattr(model, "depth_space"):
            super().check_model(model)
        else:
            for option in DEPTH_OPTIONS:
                given = getattr(self.cfg, option)
                if given:
                    raise ValueError(
                        f"--{option.replace('_', '-')} {given}: expected a student of many depths, such as --arch "
                        f"tied_multi_transformer, given {type(model).__name__}"
                    )
        if getattr(model.decoder, "adaptive_softmax", None) is not None:
            raise ValueError(f"--criterion {self.name}: needs the full softmax; leave out --adaptive-softmax-cutoff")
        if self.teacher is not None:
            for teacher in self.teacher.models:
                _check_positions(model, teacher)

    def metric_names(self, model: Any) -> List[str]:
        """What validation of *model* logs, a depth pair each last."""
        taught = ["kd_loss"] if self.mixture.soft > 0 else []
        return [*taught, *(["kd_dropped"] if taught and self.cfg.kd_topk else []), *super().metric_names(model)]

    def teacher_output(self, model: Any, sample: Dict[str, Any], sides: Sequence[str] = ()) -> Optional[TeacherOutput]:
        """What the teacher says about the batch, and of these sides what its layers gave out."""
        if self.teacher is None:
            return None
        return self.teacher(sample["net_input"], model, logits=self.mixture.soft > 0, sides=sides)

    def student_losses(
        self, model: Any, sample: Dict[str, Any], teacher_output: Optional[TeacherOutput], trace: bool = False
    ) -> StudentLosses:
        """The mixture of cross-entropy and word-level distillation."""
        mixture, teacher, logged = self.mixture, None, {}
        if teacher_output is not None and mixture.soft > 0:
            teacher = teacher_output.soft_targets(mixture.temperature, self.cfg.kd_topk)
            if teacher.dropped is not None:
                logged["kd_dropped"] = (teacher.dropped * self.token_weights(sample)).sum()
        of_student = self._of_many_depths if hasattr(model, "depth_space") else self._of_one_depth
        losses = of_student(model, sample, teacher, trace)
        loss = losses.loss if teacher is not None else losses.loss * mixture.hard
        return losses._replace(loss=loss, logged={**logged, **losses.logged})

    def _of_many_depths(
        self, model: Any, sample: Dict[str, Any], teacher: Optional[SoftTargets], trace: bool
    ) -> StudentLosses:
        word_distillation = None if teacher is None else WordDistillation(teacher, self.mixture)
        losses, logged = self.losses_of_all_pairs(model, sample, distillation=word_distillation, trace=trace)
        return StudentLosses(losses["loss"], logged, losses.get("encoder_trace", []), losses.get("decoder_trace", []))

    def _of_one_depth(
        self, model: Any, sample: Dict[str, Any], teacher: Optional[SoftTargets], trace: bool
    ) -> StudentLosses:
        below: List[LayerTrace] = []
        above: List[LayerTrace] = []
        if trace:
            with traced(model.encoder.layers) as below, traced(model.decoder.layers) as above:
                net_output = model(**sample["net_input"])
        else:
            net_output = model(**sample["net_input"])
        if teacher is None:
            loss, logged = self._cross_entropy(model, net_output, sample)
        else:
            logits, weights = net_output[0].reshape(-1, net_output[0].size(-1)), self.token_weights(sample)
            target = model.get_targets(sample, net_output).view(-1)
            loss, _, nll_losses, soft_losses = distilled_cross_entropy(logits, target, weights, teacher, self.mixture)
            logged = {"nll_loss": (nll_losses * weights).sum(), "kd_loss": (soft_losses * weights).sum()}
        return StudentLosses(loss, logged, below, above)

    def _cross_entropy(
        self, model: Any, net_output: Any, sample: Dict[str, Any]
    ) -> Tuple[Tensor, Dict[str, Any]]:
        log_probabilities = model.get_normalized_probs(net_output, log_probs=True)
        weighted = sample.get("sentence_weights") is not None
        loss, nll_loss = label_smoothed_nll_loss(
            log_probabilities.view(-1, log_probabilities.size(-1)),
            model.get_targets(sample, net_output).view(-1),
            self.cfg.label_smoothing,
            ignore_index=self.padding_idx,
            reduce=not weighted,
        )
        if weighted:
            loss, nll_loss = ((row.view(-1) * self.token_weights(sample)).sum() for row in (loss, nll_loss))
        return loss, {"nll_loss": nll_loss.data}

    @classmethod
    def log_sums(cls, sums: Dict[str, float]) -> None:
        """As the base class, and what was learnt from the teacher."""
        super().log_sums(sums)
        tokens = counted_tokens(sums)
        for key, unit in (("kd_loss", math.log(2)), ("layer_loss", 1.0), ("kd_dropped", 1.0)):
            if key in sums:
                metrics.log_scalar(key, mean(sums[key], tokens) / unit, tokens, round=4)


def _check_call(model: Any, criterion: str) -> None:
    """Look whether a batch of source and target tokens is all that *model* takes."""
    try:
        inspect.signature(model.forward).bind(src_tokens=None, src_lengths=None, prev_output_tokens=None)
    except TypeError as error:
        raise ValueError(
            f"--criterion {criterion}: expected a model of source and target tokens alone, given "
            f"{type(model).__name__}: {error}"
        ) from error


def _check_positions(student: Any, teacher: Any) -> None:
    for side, own, of_teacher in zip(("source", "target"), student.max_positions(), teacher.max_positions()):
        if of_teacher < own:
            raise ValueError(
                f"--max-{side}-positions {own}: the teacher takes at most {of_teacher}; give the student no more"
            )
