"""Load models for decoding, as ``fairseq-generate`` and ``fairseq-eval-lm`` do."""

import ast
import os
from typing import Any, Dict, List

import torch
from fairseq import checkpoint_utils
from omegaconf import DictConfig

from fairseq_flexdepth.files.checkpoints import brief


def uses_cuda(cfg: DictConfig) -> bool:
    """Whether the options *cfg* and the machine let models run on a GPU."""
    return torch.cuda.is_available() and not cfg.common.cpu


def load_models(cfg: DictConfig, paths: List[str], task: Any, **overrides: Any) -> List[Any]:
    """Load the models of an ensemble, prepare them for inference and move them to their device.

    Args:
        cfg: the options of ``fairseq-generate`` or ``fairseq-eval-lm``.
        paths: one checkpoint per model.
        task: the task that builds the models; ``None`` for the task that a checkpoint names.
        overrides: options that differ from those in the checkpoints, besides ``--model-overrides``.

    Raises:
        ValueError: ``--model-overrides`` is not a dictionary, or weights do not match their model.
    """
    overrides.update(_overrides(cfg.common_eval.model_overrides))
    try:
        models, _ = checkpoint_utils.load_model_ensemble(
            paths, arg_overrides=overrides, task=task, suffix=cfg.checkpoint.checkpoint_suffix
        )
    except (RuntimeError, KeyError) as error:  # KeyError: fairseq 0.12.2's encoder layers
        raise ValueError(f"{os.pathsep.join(paths)}: weights do not match the model: {brief(error)}") from error
    for model in models:
        if cfg.common.fp16:
            model.half()
        if uses_cuda(cfg):
            model.cuda()
        model.prepare_for_inference_(cfg)
    return models


def _overrides(text: str) -> Dict[str, Any]:
    """The options in the dictionary ``--model-overrides`` *text*."""
    try:
        overrides = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        overrides = None
    if not isinstance(overrides, dict):
        raise ValueError(f"--model-overrides {text}: expected a dictionary such as {{'data': 'data-bin'}}")
    return overrides
