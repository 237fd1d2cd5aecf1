"""The model that is exported, loaded with its task from a checkpoint."""

import os
from typing import Any, Dict, NamedTuple, Optional, Tuple

import torch
from fairseq import checkpoint_utils, models, tasks, utils
from fairseq.models.transformer import TransformerModel, TransformerModelBase
from fairseq.models.transformer_align import TransformerAlignModel
from fairseq.tasks.translation import TranslationTask
from torch import Tensor

from fairseq_flexdepth.decoding.model_depth import TAGGED_TASKS, TASKS
from fairseq_flexdepth.files.checkpoints import brief, check_finite, read_checkpoint
from fairseq_flexdepth.files.safe_loader import allow_safe_checkpoints
from fairseq_flexdepth.models.transformer import FlexDepthTransformer

# The model classes that can be exported.
EXPORTABLE = (FlexDepthTransformer, TransformerModel, TransformerModelBase, TransformerAlignModel)


class LoadedModel(NamedTuple):
    """A translation model and its task, set up for decoding."""

    model: Any  # of one of the classes in EXPORTABLE
    task: TranslationTask
    precision: torch.dtype  # of the weights in the file
    updates: int  # of training


def load_translation_model(path: str, data: Optional[str]) -> LoadedModel:
    """Load a checkpoint of this package's or fairseq's ``transformer``, the way ``fairseq-generate`` does.

    Args:
        path: the checkpoint.
        data: the directory with the dictionaries (default: the directory that the checkpoint names).

    Raises:
        ValueError: the file is not such a checkpoint, a weight is not finite, or the dictionaries are missing.
    """
    allow_safe_checkpoints()
    state = read_checkpoint("--path", path, {} if data is None else {"data": data})
    _check_kind(path, state["cfg"])
    check_finite(state["model"], f"--path {path}")
    precision = _precision(state["model"])
    task = _task(state["cfg"].task)
    state["args"] = None  # cfg holds the same options: from args, fairseq would compose cfg again, in seconds
    try:
        (model,), _, _ = checkpoint_utils.load_model_ensemble_and_task([path], task=task, state=state)
    except (RuntimeError, KeyError) as error:  # KeyError: fairseq 0.12.2's encoder layers
        raise ValueError(f"--path {path}: its weights do not match its model: {brief(error)}") from error
    return LoadedModel(model.eval(), task, precision, state["optimizer_history"][-1]["num_updates"])


def longest_sentences(loaded: LoadedModel) -> Tuple[int, int]:
    """The maximum tokens of a source and of a translation that fairseq supports, the end symbol not counted."""
    source, target = utils.resolve_max_positions(loaded.task.max_positions(), loaded.model.max_positions())
    return int(source) - 1, int(target) - 1


def _check_kind(path: str, cfg: Any) -> None:
    """Refuse an architecture or a task that cannot be exported."""
    name = getattr(cfg.model, "_name", None) or getattr(cfg.model, "arch", None)
    kind = models.ARCH_MODEL_REGISTRY.get(name) or models.MODEL_REGISTRY.get(name)
    if kind not in EXPORTABLE:
        raise ValueError(
            f"--path {path}: holds a model of --arch {name}; expected a translation model of this package or of "
            "fairseq's transformer: language, speech and other models are not exported"
        )
    task = getattr(cfg.task, "_name", None)
    if task not in TASKS:
        why = ", whose sentences have no language tags" if task in TAGGED_TASKS else ""
        raise ValueError(f"--path {path}: was trained with --task {task}; expected --task translation{why}")


def _precision(state: Dict[str, Tensor]) -> torch.dtype:
    """The floating-point type of all matrices in the file; float32 if they differ."""
    found = {tensor.dtype for tensor in state.values() if tensor.dim() > 1 and tensor.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


def _task(cfg: Any) -> TranslationTask:
    folder = cfg.data.split(os.pathsep)[0] if cfg.data else None
    if folder is None or not os.path.isdir(folder):
        raise ValueError(f"--data {folder or ''}: no such directory; give the one with the model's dictionaries")
    try:
        return tasks.setup_task(cfg)
    except Exception as error:
        if not isinstance(error, (OSError, ValueError)) and type(error) is not Exception:
            raise
        # fairseq found no dictionary, or no file whose name tells the languages
        raise ValueError(f"--data {folder}: does not fit the checkpoint: {error}") from error
