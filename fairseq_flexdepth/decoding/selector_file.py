"""Loading a trained depth selector for decoding: its checkpoint is all that is needed."""

from types import SimpleNamespace
from typing import Any, Tuple

import numpy
from fairseq import models as fairseq_models

from fairseq_flexdepth.files.checkpoints import load_weights, read_checkpoint
from fairseq_flexdepth.files.checksums import dictionary_checksum
from fairseq_flexdepth.files.depth_labels import DepthLabels
from fairseq_flexdepth.models.depth_selector import DepthSelector, pairs_of

EXCLUSIVE = "cost_aware_depth_selection"  # the criterion whose selectors share a probability of 1 among the pairs


def load_selector(path: str, source_dictionary: Any) -> Tuple[DepthSelector, float]:
    """The selector of the checkpoint *path*, in evaluation mode, and the threshold it is used with by default.

    Args:
        path: what ``fairseq-train --arch depth_selector`` saved.
        source_dictionary: that of the sentences to come.

    Raises:
        ValueError: there is no such file, it is no selector, or was trained with another dictionary.
    """
    option = f"--depth-selector {path}"
    state = read_checkpoint("--depth-selector", path)
    cfg, weights = state["cfg"], state["model"]
    if cfg.model._name != "depth_selector":
        raise ValueError(f"{option}: expected a checkpoint of --arch depth_selector, given a {cfg.model._name}")
    lost = [key for key in ("dictionary_checksum", "depth_pairs", "relative_seconds") if key not in weights]
    if lost:
        raise ValueError(f"{option}: has no {lost[0]}; expected what fairseq-train --arch depth_selector saved")
    if int(weights["dictionary_checksum"]) != dictionary_checksum(source_dictionary):
        raise ValueError(f"{option}: was trained with another source dictionary than that of the translation data")
    pairs = pairs_of(weights)
    labels = DepthLabels(pairs, numpy.empty((0, len(pairs))), weights["relative_seconds"].float().numpy())
    task = SimpleNamespace(source_dictionary=source_dictionary, labels=labels)
    model = fairseq_models.build_model(cfg.model, task, from_checkpoint=True)
    load_weights(model, weights, cfg.model, option)
    model.exclusive = getattr(cfg.criterion, "_name", None) == EXCLUSIVE
    return model.eval(), 0.0 if model.exclusive else 0.5
