"""The Python interface to trained models: fairseq's hub interface with a choice of depth."""

import dataclasses
import os
from typing import Any, Dict, List, Optional, Set

from fairseq import checkpoint_utils, tasks
from fairseq.hub_utils import GeneratorHubInterface
from fairseq.tasks.translation import TranslationConfig
from omegaconf import open_dict
from torch import Tensor

from fairseq_flexdepth.decoding.model_depth import common_pairs
from fairseq_flexdepth.depth.supported_depths import DepthPair


class FlexDepthHubInterface(GeneratorHubInterface):
    """fairseq's hub interface (``translate``, ``generate``, ``models``, ...) with :meth:`set_depth`."""

    def string(self, tokens: Tensor) -> str:
        """Target *tokens* as text, without the tags that mark languages in some tasks."""
        words = self.task.target_dictionary
        return words.string(tokens, extra_symbols_to_ignore={words.index(tag) for tag in self.task.tag_words})

    @property
    def depths(self) -> List[DepthPair]:
        """The depth pairs (encoder depth, decoder depth) that all models support."""
        return common_pairs(self.models)

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> None:
        """Decode at this depth pair from now on; the default of each depth is the deepest.

        Raises:
            ValueError: a model does not support the depth (then no model is changed), or the models were loaded with
                a depth selector, which chooses the depth.
        """
        if getattr(self.task, "selective", None) is not None:
            raise ValueError(
                f"set_depth({encoder_depth}, {decoder_depth}): depth_selector {self.task.cfg.depth_selector} chooses "
                "each sentence's depth; load the model without it"
            )
        for model in self.models:
            model.depth_space.choose(encoder_depth, decoder_depth)
        for model in self.models:
            model.set_depth(encoder_depth, decoder_depth)


def load(path: str, data: Optional[str] = None, **overrides: Any) -> FlexDepthHubInterface:
    """Load a checkpoint, or an ensemble (``a.pt:b.pt``), for use in Python.

    Args:
        path: the checkpoint file.
        data: the directory with the dictionaries (default: the directory that the checkpoint names).
        overrides: fairseq options to replace, such as ``bpe="sentencepiece", sentencepiece_model="spm.model"``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the checkpoint holds a model without depths, or one of speech.
    """
    paths = path.split(os.pathsep)
    for file in paths:
        if not os.path.exists(file):
            raise FileNotFoundError(f"{file}: no such checkpoint")
    if data is not None:
        overrides["data"] = data
    task = _task_with(paths[0], overrides)
    models, cfg, task = checkpoint_utils.load_model_ensemble_and_task(paths, arg_overrides=overrides, task=task)
    if task.source_dictionary is None:
        raise ValueError(f"{path}: recognises speech; expected a model that translates text")
    for model in models:
        if not hasattr(model, "depth_space"):
            raise ValueError(f"{path}: holds a {type(model).__name__}, which has no depths to choose from; expected "
                "a model of --arch tied_multi_transformer")
    return FlexDepthHubInterface(cfg, task, models)


def _task_with(path: str, overrides: Dict[str, Any]) -> Any:
    """Set up the checkpoint's task with the *overrides* that an older checkpoint lacks: fairseq would ignore them.

    Returns:
        ``None`` if the checkpoint has all these options; then fairseq's own loader applies them.
    """
    ours, stock = _options(tasks.TASK_DATACLASS_REGISTRY["translation"]), _options(TranslationConfig)
    if not (ours - stock).intersection(overrides):
        return None  # fairseq's own options are in every checkpoint: no need to read it twice
    cfg = checkpoint_utils.load_checkpoint_to_cpu(path, overrides)["cfg"].task
    options = _options(tasks.TASK_DATACLASS_REGISTRY[cfg._name])
    unknown = {name: value for name, value in overrides.items() if name in options and name not in cfg}
    if not unknown:
        return None
    with open_dict(cfg):
        cfg.update(unknown)
    return tasks.setup_task(cfg, from_checkpoint=True)


def _options(config: Any) -> Set[str]:
    """The names of the options of a task's dataclass."""
    return {option.name for option in dataclasses.fields(config)}
