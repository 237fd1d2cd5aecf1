"""The base of pkd and ckd: student layers learn from teacher layers, in addition to word-level distillation.

[wu2020] §3 and §4.
"""

import logging
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import torch
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.compat import avoid_encoder_fast_path
from fairseq_flexdepth.criterions.distillation import DistillationCriterion
from fairseq_flexdepth.criterions.distillation_config import LayerDistillationConfig
from fairseq_flexdepth.depth.teacher_layers import LayerMapping
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture
from fairseq_flexdepth.modules.losses.token_weights import Counted, counted_positions, token_weights
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients
from fairseq_flexdepth.protocols import EncoderDecoder, Sample

logger = logging.getLogger(__name__)


class LayerDistillationCriterion(DistillationCriterion):
    """Base of pkd and ckd: β · L + η · L_KD + λ · L_layer, where β = 1 − η − λ ([wu2020] §4).

    L and L_KD are means over the student's depth pairs. L_layer counts once, for the layers that the deepest pair runs
    (the deepest of the sampled depths). The layer projections are trained with the model and saved in its checkpoints,
    for resuming.

    Args:
        task: the student's task, with a source dictionary.
        cfg: the options.

    Raises:
        ValueError: an option is out of range, or cannot be combined with this criterion or task.
    """

    cfg: LayerDistillationConfig

    def __init__(self, task: FairseqTask, cfg: LayerDistillationConfig) -> None:
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
        self.fusions = nn.ModuleDict()  # layer projections, by side and student layer: encoder_1, ...
        self.mappings: Dict[str, LayerMapping] = {}  # by side
        self.fitted = False  # whether the layer projections were trained or loaded

    @property
    def mixture(self) -> Mixture:
        """The weights β of L and η of L_KD; L_layer is added in :meth:`forward`."""
        # 1 − η − λ may round to slightly below 0.
        hard = max(0.0, 1 - self.cfg.kd_eta - self.cfg.kd_lambda)
        return Mixture(hard, self.cfg.kd_eta, self.cfg.label_smoothing, self.cfg.kd_temperature)

    @property
    def needs_teacher(self) -> bool:
        """Whether η or λ is above 0."""
        return self.cfg.kd_eta + self.cfg.kd_lambda > 0

    def map_layers(self, teacher: int, student: int) -> LayerMapping:
        """Map each student layer to the teacher layers that it learns from.

        Args:
            teacher: the teacher's number of layers.
            student: the student's number of layers.
        """
        raise NotImplementedError

    def build_fusion(self, student_width: int, teacher_width: int, layers: int) -> nn.Module:
        """Build the module that compares a student layer with *layers* teacher layers; widths are in channels."""
        raise NotImplementedError

    def check_model(self, model: Any) -> None:
        """Check the student *model* as the base class does, map its layers and build the layer projections.

        Raises:
            ValueError: also if student or teacher is not a Transformer, or the mapping does not fit their layers.
        """
        super().check_model(model)
        if self.teacher is None:
            return
        teacher = self.teacher.models[0]
        self.mappings, self.fusions = {}, nn.ModuleDict()
        for side in ("encoder", "decoder") if self.cfg.distill_decoder else ("encoder",):
            positions, of_teacher = _positions(model, side, "student"), _positions(teacher, side, "teacher")
            mapping = self.map_layers(len(of_teacher), len(positions))
            # The mapping counts the layers that run; a student's sub-network may skip positions.
            self.mappings[side] = {positions[layer - 1]: others for layer, others in mapping.items()}
            own_width, teacher_width = _width(model, side), _width(teacher, side)
            for position, others in self.mappings[side].items():
                self.fusions[f"{side}_{position}"] = self.build_fusion(own_width, teacher_width, len(others))
        avoid_encoder_fast_path(model.encoder.layers.children())  # its layer outputs are batch-first

    def metric_names(self, model: Any) -> List[str]:
        """The names of the values that validation of *model* logs; the values of the depth pairs come last."""
        return [*(["layer_loss"] if self.mappings else []), *super().metric_names(model)]

    def forward(
        self, model: Any, sample: Sample, reduce: bool = True
    ) -> Tuple[Tensor, Any, Dict[str, Any]]:
        """The loss of a batch, the sample size to divide it by, and the logging output; *reduce* is not used.

        ``fairseq-validate`` does not load the layer projections: if there are any, L_layer is left out.

        Raises:
            ValueError: :meth:`check_model` was not called, which happens only if the criterion is built by hand.
        """
        if self.teacher is not None and not self.mappings:
            raise ValueError(f"--criterion {self.name}: its layers are not mapped; call check_model(model) first")
        # Untrained projections would make the layer loss of a validation meaningless.
        self.fitted = self.fitted or model.training
        compares = self.fitted or not list(self.fusions.parameters())
        sides = tuple(self.mappings) if compares else ()
        # To find the positions waits for the device, so it is done before the models run.
        scored = self.scored(sample)
        counted = {side: self.counted_positions(side, scored) for side in sides}
        teacher_output = self.teacher_output(model, sample, sides)
        losses = self.student_losses(model, scored, teacher_output, trace=teacher_output is not None)
        if teacher_output is None or not compares:
            return self.criterion_output(losses.loss, sample, losses.logged)
        student = {"encoder": losses.encoder_trace, "decoder": losses.decoder_trace}
        layer_loss = losses.loss.new_zeros((), dtype=torch.float32)
        unused: List[nn.Parameter] = []
        for side, mapping in self.mappings.items():
            runs = [run for run in student[side] if run.position in mapping]
            tokens = self.target_tokens(sample)
            layer_loss = layer_loss + self.layer_loss(side, runs, teacher_output.traces[side], counted[side], tokens)
            # LayerDrop may have dropped a mapped layer: its projection still needs a gradient.
            for position in mapping.keys() - {run.position for run in runs}:
                unused += self.fusions[f"{side}_{position}"].parameters()
        loss = with_zero_gradients(losses.loss + self.cfg.kd_lambda * layer_loss, unused)
        return self.criterion_output(loss, sample, {**losses.logged, "layer_loss": layer_loss.data})

    def counted_positions(self, side: str, sample: Sample) -> Counted:
        """The positions at which the layers of one side are compared: all tokens but padding."""
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
        """L_layer of one side, multiplied by the number of target tokens, by which fairseq will divide it.

        Args:
            side: ``encoder`` or ``decoder``.
            student: the mapped layers of the student that ran.
            teacher: all layers of the teacher, in running order.
            counted: the positions to compare.
            target_tokens: the number of target tokens, weighted by sentence.
        """
        total = counted.weights.new_zeros(())
        for run in student:
            layers = [teacher[layer - 1] for layer in self.mappings[side][run.position]]
            total = total + self.compare(side, run, layers, counted, target_tokens)
        return total

    def compare(
        self, side: str, student: LayerTrace, teacher: Sequence[LayerTrace], counted: Counted, target_tokens: Any
    ) -> Tensor:
        """The loss of one student layer, multiplied by the number of target tokens: a scalar.

        Args:
            side: ``encoder`` or ``decoder``.
            student: the student's layer.
            teacher: the teacher layers that it learns from.
            counted: the positions to compare.
            target_tokens: the number of target tokens, weighted by sentence.
        """
        fusion = self.fusions[f"{side}_{student.position}"]
        return fusion(student.output, [layer.output for layer in teacher], counted, target_tokens)

    def state_dict(self, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        """The layer projections, for resuming; empty with ``--no-save-optimizer-state``, which cannot resume."""
        return {} if self.cfg.no_save_optimizer_state else super().state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Optional[Mapping[str, Any]], strict: bool = True) -> Any:
        """Load the layer projections of a checkpoint.

        If they do not fit and a new training starts from the checkpoint, they are initialised anew.

        Raises:
            ValueError: they do not fit, and the training is to be resumed.
        """
        if not state_dict:  # the checkpoint is from another criterion
            return None
        own = {name: value.shape for name, value in super().state_dict().items()}
        # Equal names and shapes: the mapping has the same student layers and numbers of teacher layers.
        if own == {name: value.shape for name, value in state_dict.items()}:
            self.fitted = True
            return super().load_state_dict(state_dict, strict)
        if self.cfg.reset_optimizer or self.cfg.finetune_from_model:
            logger.warning(
                "--criterion %s: the checkpoint has a different layer mapping; re-initialising the layer projections",
                self.name,
            )
            return None
        raise ValueError(
            f"--criterion {self.name}: the checkpoint was trained with another mapping of layers, --ckd-fusion or "
            "teacher; give the same options to resume, or start a new training from it with --finetune-from-model"
        )


def _positions(model: EncoderDecoder, side: str, whose: str) -> List[int]:
    """The layer positions that the deepest sub-network of one side runs, counted from 1.

    Args:
        model: the model.
        side: ``encoder`` or ``decoder``.
        whose: ``student`` or ``teacher``, for the error message.
    """
    modules = getattr(getattr(model, side), "layers", None)
    layers = [] if modules is None else list(modules.children())  # LayerDrop's list, iterated, skips some
    if not layers or not hasattr(layers[0], "self_attn"):
        raise ValueError(f"--criterion: expected a Transformer as {whose}, given {type(model).__name__}")
    if hasattr(model, "depth_space"):
        depths, subnetworks = getattr(model.depth_space, side), getattr(model, f"{side}_subnetworks")
        return list(subnetworks[depths[-1]])
    return list(range(1, len(layers) + 1))


def _width(model: EncoderDecoder, side: str) -> int:
    """The number of channels of the layers of one side."""
    return next(getattr(model, side).layers.children()).embed_dim
