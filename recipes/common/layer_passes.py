"""The layer runs and the projections of an update, per token: the work that its number of tokens does not show.

With LayerDrop and with sampled depths they are expected values.
"""

from argparse import Namespace
from itertools import combinations
from typing import Dict, List, NamedTuple, Sequence, Tuple

from fairseq.criterions import CRITERION_REGISTRY
from fairseq.models import ARCH_MODEL_REGISTRY, FairseqLanguageModel

from fairseq_flexdepth.criterions.multi_depth import MultiDepthCriterion
from fairseq_flexdepth.depth.plan import build_plan
from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks
from fairseq_flexdepth.depth.supported_depths import parse_depths
from fairseq_flexdepth.models.any_depth import AnyDepthModel
from fairseq_flexdepth.models.config import nested_config
from fairseq_flexdepth.models.depth_selector import DepthSelector

Subnetworks = Dict[int, Tuple[int, ...]]  # by depth: the layer positions that run


class Passes(NamedTuple):
    """How often each part of a model runs."""

    encoder: float  # layer runs per source token
    decoder: float  # layer runs per target token
    exits: float  # projections onto the vocabulary per target token


def deepest_passes(options: Namespace) -> Passes:
    """Return the passes of a model that runs at its full depth alone, without LayerDrop."""
    model = ARCH_MODEL_REGISTRY[options.arch]
    if issubclass(model, DepthSelector):
        return Passes(options.encoder_layers, 0, 0)
    if issubclass(model, FairseqLanguageModel):
        return Passes(0, options.decoder_layers, 1)
    if not issubclass(model, AnyDepthModel):
        return Passes(options.encoder_layers, options.decoder_layers, 1)
    below, above = _subnetworks(options, "encoder"), _subnetworks(options, "decoder")
    return Passes(len(below[max(below)]), len(above[max(above)]), 1)


def training_passes(options: Namespace) -> Passes:
    """Return the passes of a model in an update of its training; a teacher's are not among them."""
    model, criterion = ARCH_MODEL_REGISTRY[options.arch], CRITERION_REGISTRY[options.criterion]
    if issubclass(model, AnyDepthModel) and issubclass(criterion, MultiDepthCriterion):
        passes = _passes_of_many_depths(options)
    else:
        passes = deepest_passes(options)
    below, above = (1 - (getattr(options, f"{side}_layerdrop", None) or 0) for side in ("encoder", "decoder"))
    return Passes(passes.encoder * below, passes.decoder * above, passes.exits)


def _subnetworks(options: Namespace, side: str) -> Subnetworks:
    """The sub-networks of one side, by depth."""
    config = nested_config(options)  # fills in the defaults of our options
    layers = getattr(options, f"{side}_layers")
    depths = parse_depths(getattr(config, f"{side}_depths"), layers, f"--{side}-depths")
    return assign_subnetworks(config.subnetworks, layers, depths)


def _passes_of_many_depths(options: Namespace) -> Passes:
    """The passes of a criterion that trains all depth pairs: the decoder runs on the encoder's output at each depth."""
    runs: List[float] = []
    depths: List[int] = []
    for side in ("encoder", "decoder"):
        subnetworks = list(_subnetworks(options, side).values())
        drawn = getattr(options, f"sample_{side}_depths") or len(subnetworks)
        choices = list(combinations(subnetworks, drawn))
        runs.append(sum(_runs(choice, options.accumulate_depths) for choice in choices) / len(choices))
        depths.append(drawn)
    return Passes(runs[0], depths[0] * runs[1], depths[0] * depths[1])


def _runs(subnetworks: Sequence[Sequence[int]], separately: bool) -> int:
    """The layer runs of several sub-networks, which share their beginnings unless they run separately."""
    if separately:
        return sum(map(len, subnetworks))
    return len(build_plan(subnetworks).runs)
