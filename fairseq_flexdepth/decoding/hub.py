"""A trained model in Python: fairseq's hub interface with a depth."""

import os
from typing import Any, List, Optional

from fairseq import checkpoint_utils
from fairseq.hub_utils import GeneratorHubInterface

from fairseq_flexdepth.decoding.depth import common_pairs
from fairseq_flexdepth.depth.space import DepthPair


class FlexDepthHubInterface(GeneratorHubInterface):
    """fairseq's hub interface (``translate``, ``score``, ``models``, ...) with :meth:`set_depth`."""

    @property
    def depths(self) -> List[DepthPair]:
        """The (encoder depth, decoder depth) pairs that all models support."""
        return common_pairs(self.models)

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> None:
        """Decode at this depth from now on; a depth left out is the deepest.

        Raises:
            ValueError: a model does not support the depth; none is changed then.
        """
        for model in self.models:
            model.depth_space.choose(encoder_depth, decoder_depth)
        for model in self.models:
            model.set_depth(encoder_depth, decoder_depth)


def load(path: str, data: Optional[str] = None, **overrides: Any) -> FlexDepthHubInterface:
    """Load a checkpoint, or an ensemble (``a.pt:b.pt``), for use in Python.

    Args:
        path: the checkpoint file.
        data: the directory with the dictionaries; by default the one that the checkpoint names.
        overrides: fairseq options to set, such as ``bpe="sentencepiece", sentencepiece_model="spm.model"``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the checkpoint holds a model without depths.
    """
    paths = path.split(os.pathsep)
    for file in paths:
        if not os.path.exists(file):
            raise FileNotFoundError(f"{file}: no such checkpoint")
    if data is not None:
        overrides["data"] = data
    models, cfg, task = checkpoint_utils.load_model_ensemble_and_task(paths, arg_overrides=overrides)
    for model in models:
        if not hasattr(model, "depth_space"):
            raise ValueError(f"{path}: holds a {type(model).__name__}, which has no depths to choose from")
    return FlexDepthHubInterface(cfg, task, models)
