"""The base of the distillation criterions: a teacher, and a student of one depth or of many."""

import inspect
import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from fairseq.logging import metrics
from fairseq.models import FairseqEncoderDecoderModel
from fairseq.tasks import FairseqTask
from torch import Tensor

from fairseq_flexdepth.criterions.distillation_config import DistillationConfig
from fairseq_flexdepth.criterions.logged_sums import counted_tokens, mean
from fairseq_flexdepth.criterions.multi_depth import MultiDepthCriterion
from fairseq_flexdepth.models.depth_losses import WordDistillation
from fairseq_flexdepth.models.teacher import TeacherOutput, load_teacher
from fairseq_flexdepth.modules.layer_trace import LayerTrace, traced
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture, distilled_cross_entropy
from fairseq_flexdepth.modules.losses.linear_cross_entropy import EAGER
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets
from fairseq_flexdepth.protocols import EncoderDecoder, Sample

DEPTH_OPTIONS = (
    "depth_weights", "sample_encoder_depths", "sample_decoder_depths", "sandwich_rule", "accumulate_depths",
)  # fmt: skip


class StudentLosses(NamedTuple):
    """The losses of a student, as sums over target tokens in nats, and its layer outputs."""

    loss: Tensor  # the mixture of cross-entropy and word-level distillation
    logged: Dict[str, Any]
    encoder_trace: List[LayerTrace]  # the layers of the deepest depth pair; empty unless requested
    decoder_trace: List[LayerTrace]


class DistillationCriterion(MultiDepthCriterion):
    """Base of the distillation criterions. The student is any encoder-decoder of fairseq, or of this package.

    If the weight of the word-level distillation is 0, the loss equals, bit by bit, fairseq's
    ``label_smoothed_cross_entropy`` for a student of one depth, and our ``tied_multi_cross_entropy`` for a student of
    many depths.

    Args:
        task: the student's task, whose dictionaries the teacher must share.
        cfg: the options.

    Raises:
        ValueError: an option is out of range, or the teacher is missing, unreadable or does not fit the task.
    """

    cfg: DistillationConfig

    def __init__(self, task: FairseqTask, cfg: DistillationConfig) -> None:
        super().__init__(task, cfg)
        if not 0 < cfg.kd_temperature < math.inf:
            raise ValueError(f"--kd-temperature {cfg.kd_temperature}: expected a finite number above 0")
        words = len(task.target_dictionary)
        if not 0 <= cfg.kd_topk <= words:
            raise ValueError(f"--kd-topk {cfg.kd_topk}: expected 0 (all) to {words}, the size of the dictionary")
        if str(cfg.loss_backend) not in EAGER:
            raise ValueError(
                f"--loss-backend {cfg.loss_backend}: expected auto or eager with --criterion {self.name}"
            )
        if self.needs_teacher and cfg.teacher_path is None:
            raise ValueError(f"--teacher-path: required with --criterion {self.name}")
        self.teacher = load_teacher(str(cfg.teacher_path), task) if self.needs_teacher else None

    @property
    def mixture(self) -> Mixture:
        """The weights of cross-entropy and word-level distillation, the label smoothing and the temperature."""
        raise NotImplementedError

    @property
    def needs_teacher(self) -> bool:
        """Whether the student learns anything from the teacher; if not, no teacher is loaded."""
        return self.mixture.soft > 0

    def check_model(self, model: Any) -> None:
        """Check that the options and the teacher fit the student *model*.

        Raises:
            ValueError: it is not an encoder-decoder, or has one depth and a depth option is given, or its maximum
                positions exceed the teacher's, or it has an adaptive softmax.
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
        # An adaptive softmax has no logits of all words, to compare with the teacher's.
        if getattr(model.decoder, "adaptive_softmax", None) is not None:
            raise ValueError(f"--criterion {self.name}: needs the full softmax; leave out --adaptive-softmax-cutoff")
        if self.teacher is not None:
            for teacher in self.teacher.models:
                _check_positions(model, teacher)

    def metric_names(self, model: Any) -> List[str]:
        """The names of the values that validation of *model* logs; the values of the depth pairs come last."""
        taught = ["kd_loss"] if self.mixture.soft > 0 else []
        return [*taught, *(["kd_dropped"] if taught and self.cfg.kd_topk else []), *super().metric_names(model)]

    def teacher_output(
        self, model: EncoderDecoder, sample: Sample, sides: Sequence[str] = ()
    ) -> Optional[TeacherOutput]:
        """Run the teacher on a batch, if there is one.

        Args:
            model: the student.
            sample: the batch.
            sides: the sides whose layer outputs are needed, of ``encoder`` and ``decoder``.
        """
        if self.teacher is None:
            return None
        return self.teacher(sample["net_input"], model, logits=self.mixture.soft > 0, sides=sides)

    def student_losses(
        self, model: Any, sample: Sample, teacher_output: Optional[TeacherOutput], trace: bool = False
    ) -> StudentLosses:
        """Compute the mixture of cross-entropy and word-level distillation.

        Args:
            model: the student.
            sample: the batch as :meth:`scored` returns it.
            teacher_output: the teacher's output for the batch; its logits are used up.
            trace: also return the layer outputs of the student's deepest pair.
        """
        mixture, teacher, logged = self.mixture, None, {}
        if teacher_output is not None and mixture.soft > 0:
            teacher = teacher_output.soft_targets(mixture.temperature, self.cfg.kd_topk)
            if teacher.dropped is not None:
                logged["kd_dropped"] = (teacher.dropped * self.token_weights(sample)).sum()
        compute = self._losses_of_many_depths if hasattr(model, "depth_space") else self._losses_of_one_depth
        losses = compute(model, sample, teacher, trace)
        # Without a teacher's distributions the loss is the plain cross-entropy, still without its weight.
        loss = losses.loss if teacher is not None else losses.loss * mixture.hard
        return losses._replace(loss=loss, logged={**logged, **losses.logged})

    def _losses_of_many_depths(
        self, model: Any, sample: Sample, teacher: Optional[SoftTargets], trace: bool
    ) -> StudentLosses:
        word_distillation = None if teacher is None else WordDistillation(teacher, self.mixture)
        losses, logged = self.losses_of_all_pairs(model, sample, distillation=word_distillation, trace=trace)
        return StudentLosses(losses["loss"], logged, losses.get("encoder_trace", []), losses.get("decoder_trace", []))

    def _losses_of_one_depth(
        self, model: Any, sample: Sample, teacher: Optional[SoftTargets], trace: bool
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
            weights = self.token_weights(sample)  # (batch · target length)
            logits = net_output[0].reshape(-1, net_output[0].size(-1))  # (batch · target length) × vocabulary
            target = model.get_targets(sample, net_output).view(-1)  # (batch · target length)
            results = distilled_cross_entropy(logits, target, weights, teacher, self.mixture)
            loss, _, nll_losses, soft_losses = results[:4]
            logged = {"nll_loss": (nll_losses * weights).sum(), "kd_loss": (soft_losses * weights).sum()}
        if self.cfg.report_accuracy:
            correct = net_output[0].argmax(dim=-1).eq(model.get_targets(sample, net_output))  # batch × target length
            logged.update(self.accuracy((correct.view(-1) * self.token_weights(sample)).sum(), sample))
        return StudentLosses(loss, logged, below, above)

    def _cross_entropy(
        self, model: FairseqEncoderDecoderModel, net_output: Any, sample: Sample
    ) -> Tuple[Tensor, Dict[str, Any]]:
        """fairseq's label-smoothed cross-entropy of a student of one depth, by fairseq's own function."""
        log_probabilities = model.get_normalized_probs(net_output, log_probs=True)
        weighted = sample.get("sentence_weights") is not None
        loss, nll_loss = label_smoothed_nll_loss(
            log_probabilities.view(-1, log_probabilities.size(-1)),  # (batch · target length) × vocabulary
            model.get_targets(sample, net_output).view(-1),  # (batch · target length)
            self.cfg.label_smoothing,
            ignore_index=self.padding_idx,
            reduce=not weighted,
        )
        if weighted:  # one value per row so far: (batch · target length) × 1
            loss, nll_loss = ((row.view(-1) * self.token_weights(sample)).sum() for row in (loss, nll_loss))
        return loss, {"nll_loss": nll_loss.data}

    @classmethod
    def log_sums(cls, sums: Dict[str, float]) -> None:
        """Log the cross-entropies, and the losses and the dropped probability of the distillation per target token."""
        super().log_sums(sums)
        tokens = counted_tokens(sums)
        # kd_loss is in bits like loss; layer_loss is a squared difference, kd_dropped a probability.
        for key, unit in (("kd_loss", math.log(2)), ("layer_loss", 1.0), ("kd_dropped", 1.0)):
            if key in sums:
                metrics.log_scalar(key, mean(sums[key], tokens) / unit, tokens, round=4)


def _check_call(model: Any, criterion: str) -> None:
    """Refuse a *model* whose ``forward`` needs more than source tokens, their lengths and previous target tokens."""
    try:
        inspect.signature(model.forward).bind(src_tokens=None, src_lengths=None, prev_output_tokens=None)
    except TypeError as error:
        raise ValueError(
            f"--criterion {criterion}: expected a model that takes only source and target tokens, given "
            f"{type(model).__name__}: {error}"
        ) from error


def _check_positions(student: EncoderDecoder, teacher: EncoderDecoder) -> None:
    """Refuse a student that takes longer sentences than its teacher, which would fail on them during training."""
    for side, own, of_teacher in zip(("source", "target"), student.max_positions(), teacher.max_positions()):
        if of_teacher < own:
            raise ValueError(
                f"--max-{side}-positions {own}: the teacher takes at most {of_teacher}; give the student no more"
            )
