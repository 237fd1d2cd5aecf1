"""Load a trained depth selector for decoding, from its checkpoint alone."""

from types import SimpleNamespace
from typing import Tuple

import numpy
from fairseq import models as fairseq_models

from fairseq_flexdepth.files.checkpoints import load_weights, read_checkpoint
from fairseq_flexdepth.files.checksums import dictionary_checksum
from fairseq_flexdepth.files.depth_labels import DepthLabels
from fairseq_flexdepth.models.depth_selector import DepthSelector, pairs_of
from fairseq_flexdepth.protocols import Symbols

# The criterion whose selectors give probabilities that sum to 1 over the depth pairs (softmax).
EXCLUSIVE = "cost_aware_depth_selection"


def load_selector(path: str, source_dictionary: Symbols) -> Tuple[DepthSelector, float]:
    """Load the selector of the checkpoint *path*, in evaluation mode, and its default threshold.

    Args:
        path: a checkpoint that ``fairseq-train --arch depth_selector`` saved.
        source_dictionary: the source dictionary of the data to decode.

    Raises:
        ValueError: there is no such file, it is not the checkpoint of a selector, or the selector was trained with
            another source dictionary.
    """
    option = f"--depth-selector {path}"
    state = read_checkpoint("--depth-selector", path)
    cfg, weights = state["cfg"], state["model"]
    if cfg.model._name != "depth_selector":
        raise ValueError(f"{option}: expected a checkpoint of --arch depth_selector, given a {cfg.model._name}")
    missing = [key for key in ("dictionary_checksum", "depth_pairs", "relative_seconds") if key not in weights]
    if missing:
        raise ValueError(f"{option}: has no {missing[0]}; expected a checkpoint of fairseq-train --arch depth_selector")
    if int(weights["dictionary_checksum"]) != dictionary_checksum(source_dictionary):
        raise ValueError(f"{option}: was trained with a source dictionary that differs from DATA's")
    pairs = pairs_of(weights)
    labels = DepthLabels(pairs, numpy.empty((0, len(pairs))), weights["relative_seconds"].float().numpy())
    task = SimpleNamespace(source_dictionary=source_dictionary, labels=labels)
    model = fairseq_models.build_model(cfg.model, task, from_checkpoint=True)
    load_weights(model, weights, cfg.model, option)
    model.exclusive = getattr(cfg.criterion, "_name", None) == EXCLUSIVE
    return model.eval(), 0.0 if model.exclusive else 0.5
