"""Teachers: trained models that a student learns from. They are frozen, and neither trained nor saved with it."""

import copy
import logging
import os
from contextlib import ExitStack, nullcontext
from itertools import chain
from typing import Any, ContextManager, Dict, List, NamedTuple, Sequence

import torch
from fairseq import tasks
from fairseq.data import Dictionary
from fairseq.data.data_utils import infer_language_pair
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_REGISTRY, FairseqEncoderDecoderModel
from fairseq.models.transformer import TransformerEncoder, TransformerEncoderBase
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from fairseq_flexdepth.compat import disable_encoder_fast_path
from fairseq_flexdepth.files.checkpoints import load_weights, read_checkpoint
from fairseq_flexdepth.models.built_models import build_aside
from fairseq_flexdepth.modules.depth_layers import DepthLayers
from fairseq_flexdepth.modules.layer_trace import LayerTrace, traced
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets, mean_logits, soft_targets

logger = logging.getLogger(__name__)


class TeacherOutput(NamedTuple):
    """The output of the teachers for a batch."""

    # At most one tensor, the logits of the teachers' mean distribution: batch × target length × vocabulary.
    logits: List[Tensor]
    traces: Dict[str, List[LayerTrace]]  # the layer outputs of the first teacher, for each requested side

    def soft_targets(self, temperature: float, topk: int) -> SoftTargets:
        """The distributions to learn from; see :func:`soft_targets`. Can be called once: the logits are released."""
        return soft_targets(self.logits.pop(), temperature, topk)


class Teacher:
    """One teacher or an ensemble of several.

    It is not an ``nn.Module``, so that a criterion that has it neither trains nor saves its parameters.

    Args:
        models: any encoder-decoders of fairseq.
    """

    def __init__(self, models: Sequence[FairseqEncoderDecoderModel]) -> None:
        self.models = [model.eval().requires_grad_(False) for model in models]
        for model in self.models:
            if hasattr(model.encoder, "layers"):  # a Transformer; the fast path would swap axes in traces
                disable_encoder_fast_path(model.encoder.layers.children())
            if type(model.encoder) in (TransformerEncoder, TransformerEncoderBase):
                model.encoder.layers = DepthLayers(list(model.encoder.layers.children()), layerdrop=0.0)

    @torch.no_grad()
    def __call__(
        self, net_input: Dict[str, Tensor], student: nn.Module, logits: bool = True, sides: Sequence[str] = ()
    ) -> TeacherOutput:
        """Run the teachers on a batch, on the device and in the precision of the student.

        Args:
            net_input: the arguments of the student's ``forward``.
            student: the model that is trained.
            logits: whether to compute the logits.
            sides: the sides whose layer outputs to collect, of ``encoder`` and ``decoder``.
        """
        # fairseq moves the student to the device and halves it after the criterion is built, but not the teacher.
        example = next(student.parameters())
        for model in self.models:
            own = next(model.parameters())
            if (own.device, own.dtype) != (example.device, example.dtype):
                model.to(device=example.device, dtype=example.dtype)
        words = {name: net_input[name] for name in ("src_tokens", "src_lengths", "prev_output_tokens")}
        first, *others = self.models
        with ExitStack() as stack:
            traces = {side: stack.enter_context(traced(getattr(first, side).layers)) for side in sides}
            if not logits and "decoder" not in sides:  # the encoder is enough
                with _waiting_once(first):
                    first.encoder(words["src_tokens"], src_lengths=words["src_lengths"])
                return TeacherOutput([], traces)
            first_logits = _logits(first, words)
        if not logits:
            return TeacherOutput([], traces)
        # A generator: the next teacher runs when the logits of the one before are used up.
        of_others = (_logits(model, words) for model in others)
        return TeacherOutput([mean_logits(chain([first_logits], of_others))], traces)


def _logits(model: FairseqEncoderDecoderModel, words: Dict[str, Tensor]) -> Tensor:
    """The logits of one teacher, batch × target length × vocabulary."""
    with _waiting_once(model):
        return model(**words)[0]


def _waiting_once(model: FairseqEncoderDecoderModel) -> ContextManager[None]:
    """Within this context, the encoder asks once whether there is any padding, and not before every layer."""
    layers = getattr(model.encoder, "layers", None)
    return layers.seen_as_one() if isinstance(layers, DepthLayers) else nullcontext()


def load_teacher(paths: str, task: FairseqTask) -> Teacher:
    """Load the teacher of a checkpoint, or an ensemble from several.

    Args:
        paths: the checkpoint files, separated as in ``--teacher-path a.pt:b.pt``.
        task: the student's task.

    Raises:
        ValueError: a file is missing or is not a checkpoint, its model is not an encoder-decoder or has an adaptive
            softmax, or its dictionaries differ from the dictionaries of *task*.
    """
    return Teacher([_load(path, task) for path in paths.split(os.pathsep)])


def _load(path: str, task: FairseqTask) -> FairseqEncoderDecoderModel:
    """The model of one checkpoint."""
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


def _check_dictionaries(option: str, trained_with: Any, weights: Dict[str, Tensor], task: FairseqTask) -> None:
    """Raise a ``ValueError`` if a teacher's languages or dictionaries differ from the student's.

    The sizes are always compared. The words are compared if the teacher's data directory still exists.

    Args:
        option: the option and the path, for error messages.
        trained_with: the options of the teacher's task.
        weights: the teacher's state dict.
        task: the student's task.
    """
    folder = str(getattr(trained_with, "data", None)).split(os.pathsep)[0]
    languages = _languages(trained_with, folder)
    own = [getattr(getattr(task, "cfg", None), f"{side}_lang", None) for side in ("source", "target")]
    # Only the reverse direction is refused: names of languages may differ in harmless ways.
    if languages == own[::-1] and own[0] != own[1]:
        raise ValueError(f"{option}: translates from {languages[0]} to {languages[1]}, DATA from {own[0]} to {own[1]}")
    teachers_task = _set_up(trained_with)
    sides = ("source", "encoder", task.source_dictionary), ("target", "decoder", task.target_dictionary)
    for (side, stack, dictionary), language in zip(sides, languages):
        if dictionary is None:  # the source is speech
            continue
        embeddings = weights.get(f"{stack}.embed_tokens.weight")
        if embeddings is not None and len(embeddings) != len(dictionary):
            raise ValueError(
                f"{option}: its {side} dictionary has {len(embeddings)} entries, DATA's has {len(dictionary)}"
            )
        file = os.path.join(folder, f"dict.{language}.txt")
        made = getattr(teachers_task, f"{side}_dictionary", None)
        if made is not None:
            same = made == dictionary
        elif os.path.isfile(file):
            same = _begins_with(dictionary, Dictionary.load(file))
        else:
            same = True
            logger.warning("%s: cannot compare its %s dictionary with DATA's: %s does not exist", option, side, file)
        if not same:
            origin = file if os.path.isfile(file) else f"from {folder}"
            raise ValueError(f"{option}: its {side} dictionary, {origin}, differs from DATA's")


def _set_up(trained_with: Any) -> Any:
    """Set up the teacher's task, which may add symbols to its dictionaries; ``None`` if its data is gone."""
    try:
        return tasks.setup_task(copy.deepcopy(trained_with))  # a copy, because some tasks change their options
    except Exception as error:  # tasks raise any kind
        logger.debug("the teacher's task cannot be set up: %s", error)
        return None


def _begins_with(dictionary: Dictionary, file: Dictionary) -> bool:
    """Whether *dictionary* has the words of *file* first; a task may have added symbols behind them."""
    return list(dictionary.symbols[: len(file)]) == list(file.symbols)


def _languages(trained_with: Any, folder: str) -> List[Any]:
    """The source and the target language; if they were not given, fairseq inferred them and did not save them."""
    given = [getattr(trained_with, f"{side}_lang", None) for side in ("source", "target")]
    if None in given and os.path.isdir(folder):
        return list(infer_language_pair(folder))
    return given
