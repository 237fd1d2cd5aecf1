"""What pkd and ckd have in common: student layers that learn from teacher layers, beside all the rest (ckd §3, §4)."""

import logging
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import torch
from omegaconf import II
from torch import Tensor, nn

from fairseq_flexdepth.compat import avoid_encoder_fast_path
from fairseq_flexdepth.criterions.distillation import DistillationConfig, DistillationCriterion
from fairseq_flexdepth.depth.teacher_layers import LayerMapping
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture
from fairseq_flexdepth.modules.losses.token_weights import Counted, counted_positions, token_weights
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients

logger = logging.getLogger(__name__)


@dataclass
class LayerDistillationConfig(DistillationConfig):
    """Options of ``--criterion pkd`` and ``--criterion ckd``."""

    kd_eta: float = field(
        default=0.1, metadata={"help": "weight of learning from the teacher's distributions"}
    )
    kd_lambda: float = field(
        default=0.7,
        metadata={"help": "weight of learning from the teacher's layers; the cross-entropy has 1 - eta - lambda"},
    )
    distill_decoder: bool = field(
        default=False,
        metadata={
            "help": "let the decoder's layers learn, too; the paper found that it considerably lowers the quality"
        },
    )
    no_save_optimizer_state: bool = II("checkpoint.no_save_optimizer_state")
    reset_optimizer: bool = II("checkpoint.reset_optimizer")
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")


class LayerDistillationCriterion(DistillationCriterion):
    """β · L + η · L_KD + λ · L_layer, where β = 1 − η − λ (ckd §4).

    L and L_KD are means over the student's depth pairs; L_layer counts once, for the layers that the deepest pair runs
    (of those drawn, where depths are sampled). What compares the layers is trained with the model, and saved with the
    optimizer's state, to resume from.
    """

    cfg: LayerDistillationConfig

    def __init__(self, task: Any, cfg: LayerDistillationConfig) -> None:
        for option, weight in (("eta", cfg.kd_eta), ("lambda", cfg.kd_lambda)):
            if not 0 <= weight <= 1:
                raise ValueError(f"--kd-{option} {weight}: expected a number from 0 to 1")
        if cfg.kd_eta + cfg.kd_lambda > 1:
            raise ValueError(
                f"--kd-eta {cfg.kd_eta} --kd-lambda {cfg.kd_lambda}: expected a sum of at most 1; the rest is the "
                "weight of the cross-entropy"
            )
        if cfg.accumulate_depths:
            raise ValueError(f"--accumulate-depths: cannot be combined with --criterion {self.name}; leave it out")
        if getattr(task, "source_dictionary", None) is None:
            raise ValueError(
                f"--criterion {self.name}: expected a task with source words, given {type(task).__name__}; --criterion "
                "word_kd takes any source"
            )
        super().__init__(task, cfg)
        self.source_padding = task.source_dictionary.pad()
        self.fusions = nn.ModuleDict()
        self.mappings: Dict[str, LayerMapping] = {}
        self.fitted = False  # whether the fusions were trained or loaded

    @property
    def mixture(self) -> Mixture:
        """β of L and η of L_KD; L_layer is added to them."""
        hard = max(0.0, 1 - self.cfg.kd_eta - self.cfg.kd_lambda)
        return Mixture(hard, self.cfg.kd_eta, self.cfg.label_smoothing, self.cfg.kd_temperature)

    @property
    def needs_teacher(self) -> bool:
        """Unless both its weights are 0."""
        return self.cfg.kd_eta + self.cfg.kd_lambda > 0

    def map_layers(self, teacher: int, student: int) -> LayerMapping:
        """Which of so many teacher layers each of so many student layers learns from."""
        raise NotImplementedError

    def build_fusion(self, student_width: int, teacher_width: int, layers: int) -> nn.Module:
        """What compares a student layer with so many teacher layers."""
        raise NotImplementedError

    def check_model(self, model: Any) -> None:
        """As the base class; then map the student's layers and build what compares them with the teacher's."""
        super().check_model(model)
        if self.teacher is None:
            return
        teacher = self.teacher.models[0]
        self.mappings, self.fusions = {}, nn.ModuleDict()
        for side in ("encoder", "decoder") if self.cfg.distill_decoder else ("encoder",):
            positions, of_teacher = _positions(model, side, "student"), _positions(teacher, side, "teacher")
            mapping = self.map_layers(len(of_teacher), len(positions))
            self.mappings[side] = {positions[layer - 1]: others for layer, others in mapping.items()}
            own_width, teacher_width = _width(model, side), _width(teacher, side)
            for position, others in self.mappings[side].items():
                self.fusions[f"{side}_{position}"] = self.build_fusion(own_width, teacher_width, len(others))
        avoid_encoder_fast_path(model.encoder.layers.children())  # it would swap axes in validation

    def metric_names(self, model: Any) -> List[str]:
        """What validation of *model* logs, a depth pair each last."""
        return [*(["layer_loss"] if self.mappings else []), *super().metric_names(model)]

    def forward(
        self, model: Any, sample: Dict[str, Any], reduce: bool = True
    ) -> Tuple[Tensor, int, Dict[str, Any]]:
        """The loss, the sample size it is to be divided by, and what to log.

        ``fairseq-validate`` has no fusions to load: there L_layer is left out.

        Raises:
            ValueError: :meth:`check_model` was never called; every task of fairseq has it called.
        """
        if self.teacher is not None and not self.mappings:
            raise ValueError(f"--criterion {self.name}: its layers are not mapped; call check_model(model) first")
        self.fitted = self.fitted or model.training
        compares = self.fitted or not list(self.fusions.parameters())
        sides = tuple(self.mappings) if compares else ()
        counted = {side: self.counted_positions(side, sample) for side in sides}
        teacher_output = self.teacher_output(model, sample, sides)
        losses = self.student_losses(model, sample, teacher_output, trace=teacher_output is not None)
        if teacher_output is None or not compares:
            return self.criterion_output(losses.loss, sample, losses.logged)
        student = {"encoder": losses.encoder_trace, "decoder": losses.decoder_trace}
        layer_loss = losses.loss.new_zeros((), dtype=torch.float32)
        unused: List[nn.Parameter] = []
        for side, mapping in self.mappings.items():
            runs = [run for run in student[side] if run.position in mapping]
            tokens = self.target_tokens(sample)
            layer_loss = layer_loss + self.layer_loss(side, runs, teacher_output.traces[side], counted[side], tokens)
            for position in mapping.keys() - {run.position for run in runs}:
                unused += self.fusions[f"{side}_{position}"].parameters()
        loss = with_zero_gradients(losses.loss + self.cfg.kd_lambda * layer_loss, unused)
        return self.criterion_output(loss, sample, {**losses.logged, "layer_loss": layer_loss.data})

    def counted_positions(self, side: str, sample: Dict[str, Any]) -> Counted:
        """The positions of one side at which layers are compared."""
        source = side == "encoder"
        tokens = sample["net_input"]["src_tokens"] if source else sample["target"]
        padding = self.source_padding if source else self.padding_idx
        return counted_positions(token_weights(tokens, padding, sample.get("sentence_weights")))

    def layer_loss(
        self,
        side: str,
        student: Sequence[LayerTrace],
        teacher: Sequence[LayerTrace],
        counted: Counted,
        target_tokens: Any,
    ) -> Tensor:
        """L_layer of one side, times target tokens, which fairseq divides by.

        Args:
            side: ``encoder`` or ``decoder``.
            student: the mapped layers that it ran.
            teacher: all its layers, in running order.
            counted: the side's positions that count.
            target_tokens: what fairseq will divide the loss by.
        """
        total = counted.weights.new_zeros(())
        for run in student:
            layers = [teacher[layer - 1] for layer in self.mappings[side][run.position]]
            total = total + self.compare(side, run, layers, counted, target_tokens)
        return total

    def compare(
        self, side: str, student: LayerTrace, teacher: Sequence[LayerTrace], counted: Counted, target_tokens: Any
    ) -> Tensor:
        """How far a layer of the student is from those of the teacher that it learns from.

        Args:
            side: ``encoder`` or ``decoder``.
            student: the layer.
            teacher: the layers it learns from.
            counted: the side's positions that count.
            target_tokens: what fairseq will divide the loss by.
        """
        fusion = self.fusions[f"{side}_{student.position}"]
        return fusion(student.output, [layer.output for layer in teacher], counted, target_tokens)

    def state_dict(self, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        """Nothing where no optimizer state is saved: without that state there is no resuming either."""
        return {} if self.cfg.no_save_optimizer_state else super().state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Optional[Mapping[str, Any]], strict: bool = True) -> Any:
        """Resume; where a training starts from a checkpoint whose fusions do not fit, its own start afresh.

        Raises:
            ValueError: a training is to be resumed whose layers were mapped or fused in another way.
        """
        if not state_dict:  # of another criterion
            return None
        own = {name: value.shape for name, value in super().state_dict().items()}
        if own == {name: value.shape for name, value in state_dict.items()}:
            self.fitted = True
            return super().load_state_dict(state_dict, strict)
        if self.cfg.reset_optimizer or self.cfg.finetune_from_model:
            logger.warning("--criterion %s: the checkpoint fused other layers; fusions start afresh", self.name)
            return None
        raise ValueError(
            f"--criterion {self.name}: the checkpoint was trained with another mapping or fusion of layers, or "
            "another teacher; give the same options to resume, or start from it by --finetune-from-model"
        )


def _positions(model: Any, side: str, whose: str) -> List[int]:
    """The layers of the stack that its deepest sub-network runs."""
    modules = getattr(getattr(model, side), "layers", None)
    layers = [] if modules is None else list(modules.children())  # LayerDrop's list, iterated, skips some
    if not layers or not hasattr(layers[0], "self_attn"):
        raise ValueError(f"--criterion: expected a Transformer as {whose}, given {type(model).__name__}")
    if hasattr(model, "depth_space"):
        depths, subnetworks = getattr(model.depth_space, side), getattr(model, f"{side}_subnetworks")
        return list(subnetworks[depths[-1]])
    return list(range(1, len(layers) + 1))


def _width(model: Any, side: str) -> int:
    return next(getattr(model, side).layers.children()).embed_dim
