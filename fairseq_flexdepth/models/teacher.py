"""Trained models that a student learns from: frozen, in evaluation mode, and no part of what is trained or saved."""

import copy
import logging
import os
from contextlib import ExitStack
from itertools import chain
from typing import Any, Dict, List, NamedTuple, Sequence

import torch
from fairseq import tasks
from fairseq.data import Dictionary
from fairseq.data.data_utils import infer_language_pair
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_REGISTRY, FairseqEncoderDecoderModel
from torch import Tensor, nn

from fairseq_flexdepth.compat import disable_encoder_fast_path
from fairseq_flexdepth.files.checkpoints import load_weights, read_checkpoint
from fairseq_flexdepth.models.built_models import build_aside
from fairseq_flexdepth.modules.layer_trace import LayerTrace, traced
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets, mean_logits, soft_targets

logger = logging.getLogger(__name__)


class TeacherOutput(NamedTuple):
    """What teachers say about a batch."""

    logits: List[Tensor]  # of their mean distribution, batch × target length × vocabulary, where asked for
    traces: Dict[str, List[LayerTrace]]  # of the first teacher's layers, by side, where asked for

    def soft_targets(self, temperature: float, topk: int) -> SoftTargets:
        """The distributions to learn from; see :func:`soft_targets`. The logits are used up and released."""
        return soft_targets(self.logits.pop(), temperature, topk)


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
    def __call__(
        self, net_input: Dict[str, Tensor], student: nn.Module, logits: bool = True, sides: Sequence[str] = ()
    ) -> TeacherOutput:
        """What the teachers say about *net_input*, on the device and in the precision of *student*.

        Args:
            net_input: the arguments of the student's ``forward``.
            student: the model that is trained.
            logits: whether to say which words they expect.
            sides: of ``encoder`` and ``decoder``, those whose layers to trace.
        """
        example = next(student.parameters())
        for model in self.models:
            own = next(model.parameters())
            if (own.device, own.dtype) != (example.device, example.dtype):
                model.to(device=example.device, dtype=example.dtype)
        words = {name: net_input[name] for name in ("src_tokens", "src_lengths", "prev_output_tokens")}
        first, *others = self.models
        with ExitStack() as stack:
            traces = {side: stack.enter_context(traced(getattr(first, side).layers)) for side in sides}
            if not logits and "decoder" not in sides:
                first.encoder(words["src_tokens"], src_lengths=words["src_lengths"])
                return TeacherOutput([], traces)
            said = first(**words)[0]
        if not logits:
            return TeacherOutput([], traces)
        return TeacherOutput([mean_logits(chain([said], (model(**words)[0] for model in others)))], traces)


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
    state = read_checkpoint("--teacher-path", path)
    cfg, weights = state["cfg"], state["model"]
    model_class = {**MODEL_REGISTRY, **ARCH_MODEL_REGISTRY}.get(cfg.model._name)
    if model_class is None or not issubclass(model_class, FairseqEncoderDecoderModel):
        raise ValueError(f"{option}: expected an encoder-decoder, given a {cfg.model._name}")
    _check_dictionaries(option, cfg.task, weights, task)
    model = build_aside(cfg.model, task)
    load_weights(model, weights, cfg.model, option)
    if getattr(model.decoder, "adaptive_softmax", None) is not None:
        raise ValueError(f"{option}: has an adaptive softmax; expected a teacher with a full one")
    return model


def _check_dictionaries(option: str, trained_with: Any, weights: Dict[str, Tensor], task: Any) -> None:
    """Compare sizes, and the dictionaries themselves where those that the teacher was trained with are still there."""
    folder = str(getattr(trained_with, "data", None)).split(os.pathsep)[0]
    languages = _languages(trained_with, folder)
    own = [getattr(getattr(task, "cfg", None), f"{side}_lang", None) for side in ("source", "target")]
    if languages == own[::-1] and own[0] != own[1]:
        raise ValueError(f"{option}: translates from {languages[0]} to {languages[1]}, DATA from {own[0]} to {own[1]}")
    teachers_task = _set_up(trained_with)
    sides = ("source", "encoder", task.source_dictionary), ("target", "decoder", task.target_dictionary)
    for (side, stack, dictionary), language in zip(sides, languages):
        if dictionary is None:  # of speech
            continue
        embeddings = weights.get(f"{stack}.embed_tokens.weight")
        if embeddings is not None and len(embeddings) != len(dictionary):
            raise ValueError(
                f"{option}: has a {side} dictionary of {len(embeddings)} entries, DATA one of {len(dictionary)}"
            )
        file = os.path.join(folder, f"dict.{language}.txt")
        made = getattr(teachers_task, f"{side}_dictionary", None)
        if made is not None:
            same = made == dictionary
        elif os.path.isfile(file):
            same = _begins_with(dictionary, Dictionary.load(file))
        else:
            same = True
            logger.warning("%s: cannot tell whether its %s dictionary is DATA's: no %s", option, side, file)
        if not same:
            origin = file if os.path.isfile(file) else f"that of {folder}"
            raise ValueError(f"{option}: was trained with another {side} dictionary than DATA's, {origin}")


def _set_up(trained_with: Any) -> Any:
    """The task of these options, which may add symbols to its dictionaries; ``None`` if it needs what is gone."""
    try:
        return tasks.setup_task(copy.deepcopy(trained_with))  # which some tasks change
    except Exception as error:  # of any task
        logger.debug("the teacher's task cannot be set up: %s", error)
        return None


def _begins_with(dictionary: Dictionary, file: Dictionary) -> bool:
    """Whether *dictionary* is that of a *file* and, behind it, the symbols that a task adds."""
    return list(dictionary.symbols[: len(file)]) == list(file.symbols)


def _languages(trained_with: Any, folder: str) -> List[Any]:
    """The source and the target language; fairseq infers from the data what was not given, and does not save it."""
    given = [getattr(trained_with, f"{side}_lang", None) for side in ("source", "target")]
    if None in given and os.path.isdir(folder):
        return list(infer_language_pair(folder))
    return given
