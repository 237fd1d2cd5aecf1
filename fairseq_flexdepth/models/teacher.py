"""Trained models that a student learns from: frozen, in evaluation mode, and no part of what is trained or saved."""

import os
from typing import Any, Dict, List, NamedTuple, Sequence

import torch
from fairseq import models as fairseq_models
from fairseq.checkpoint_utils import load_checkpoint_to_cpu
from fairseq.data import Dictionary
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_REGISTRY, FairseqEncoderDecoderModel
from torch import Tensor, nn

from fairseq_flexdepth.compat import disable_encoder_fast_path
from fairseq_flexdepth.modules.layer_trace import LayerTrace, traced
from fairseq_flexdepth.modules.soft_targets import SoftTargets, soft_targets


class Lesson(NamedTuple):
    """What teachers say about a batch."""

    logits: List[Tensor]  # of each teacher, batch × target length × vocabulary
    encoder_trace: List[LayerTrace]  # of the first teacher's layers, where asked for
    decoder_trace: List[LayerTrace]

    def soft_targets(self, temperature: float, topk: int) -> SoftTargets:
        """See :func:`~fairseq_flexdepth.modules.soft_targets.soft_targets`; the logits are used up and let go."""
        targets = soft_targets(self.logits, temperature, topk)
        self.logits.clear()
        return targets


class Teacher:
    """One model or an ensemble. Deliberately no ``nn.Module``: a criterion that holds it must not count it as its own.

    Args:
        models: any of fairseq's encoder-decoders.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = [model.eval().requires_grad_(False) for model in models]
        for model in self.models:
            if hasattr(model.encoder, "layers"):
                disable_encoder_fast_path(model.encoder.layers.children())

    @torch.no_grad()
    def __call__(self, net_input: Dict[str, Tensor], student: nn.Module, trace: bool = False) -> Lesson:
        """What the teachers say about *net_input*, on the device and in the precision of *student*."""
        example = next(student.parameters())
        words = {name: net_input[name] for name in ("src_tokens", "src_lengths", "prev_output_tokens")}
        lesson = Lesson([], [], [])
        for index, model in enumerate(self.models):
            own = next(model.parameters())
            if (own.device, own.dtype) != (example.device, example.dtype):
                model.to(device=example.device, dtype=example.dtype)
            if trace and index == 0:
                with traced(model.encoder.layers) as below, traced(model.decoder.layers) as above:
                    lesson.logits.append(model(**words)[0])
                lesson.encoder_trace.extend(below)
                lesson.decoder_trace.extend(above)
            else:
                lesson.logits.append(model(**words)[0])
        return lesson


def load_teacher(paths: str, task: Any) -> Teacher:
    """The models of a checkpoint, or of several (``a.pt:b.pt``).

    Args:
        paths: the checkpoint files.
        task: the student's.

    Raises:
        ValueError: a file is missing or no checkpoint, is no encoder-decoder, or has other dictionaries than the task.
    """
    return Teacher([_load(path, task) for path in paths.split(os.pathsep)])


def _load(path: str, task: Any) -> Any:
    option = f"--teacher-path {path}"
    if not os.path.isfile(path):
        raise ValueError(f"{option}: no such file")
    try:
        state = load_checkpoint_to_cpu(path)
        cfg, weights = state["cfg"], state["model"]
    except Exception as error:  # whatever torch's reader or fairseq stumbles over first
        raise ValueError(f"{option}: cannot be read as a fairseq checkpoint: {error!r}") from error
    model_class = {**MODEL_REGISTRY, **ARCH_MODEL_REGISTRY}.get(cfg.model._name)
    if model_class is None or not issubclass(model_class, FairseqEncoderDecoderModel):
        raise ValueError(f"{option}: expected an encoder-decoder, given a {cfg.model._name}")
    _check_dictionaries(option, cfg.task, weights, task)
    model = fairseq_models.build_model(cfg.model, task)
    model.load_state_dict(weights, strict=True, model_cfg=cfg.model)
    if getattr(model.decoder, "adaptive_softmax", None) is not None:
        raise ValueError(f"{option}: has an adaptive softmax; expected a teacher with a full one")
    return model


def _check_dictionaries(option: str, trained_with: Any, weights: Dict[str, Tensor], task: Any) -> None:
    """Compare sizes, and the dictionaries themselves where those that the teacher was trained with are still there."""
    for side, dictionary in (("source", task.source_dictionary), ("target", task.target_dictionary)):
        stack = "encoder" if side == "source" else "decoder"
        embeddings = weights.get(f"{stack}.embed_tokens.weight")
        if embeddings is not None and len(embeddings) != len(dictionary):
            raise ValueError(
                f"{option}: has a {side} dictionary of {len(embeddings)} entries, DATA one of {len(dictionary)}"
            )
        folder = str(getattr(trained_with, "data", None)).split(os.pathsep)[0]
        file = os.path.join(folder, f"dict.{getattr(trained_with, f'{side}_lang', None)}.txt")
        if os.path.isfile(file) and Dictionary.load(file) != dictionary:
            raise ValueError(f"{option}: was trained with another {side} dictionary than DATA's, {file}")
