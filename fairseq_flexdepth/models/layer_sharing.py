"""The options of layer sharing, which our Transformer, language model and speech model have in common."""

import logging
from argparse import Namespace
from typing import Any, Optional

from fairseq.distributed.utils import get_data_parallel_world_size
from fairseq.utils import safe_getattr
from torch import nn

from fairseq_flexdepth.depth.sharing import STRATEGIES, Assignment, assign_layers
from fairseq_flexdepth.modules.shared_layers import share_parameters

logger = logging.getLogger(__name__)

LAYER_SHARING = ("none", *STRATEGIES)
HELP = {
    "layer_sharing": "which positions of a stack use the same layer; sequence: neighbours, cycle: round after round, "
    "cycle_rev: the last round in reverse",
    "unique_encoder_layers": "unique encoder layers, a divisor of --encoder-layers (1: recurrent stacking)",
    "unique_decoder_layers": "unique decoder layers, a divisor of --decoder-layers (1: recurrent stacking)",
}


def share_side(layers: nn.ModuleList, cfg: Any, side: str, layerdrop: float = 0.0) -> None:
    """Let the layers of one side share their parameters as the options say.

    Args:
        layers: the side's stack.
        cfg: holds ``layer_sharing`` and ``unique_encoder_layers`` or ``unique_decoder_layers``.
        side: ``encoder`` or ``decoder``.
        layerdrop: the side's LayerDrop probability.

    Raises:
        ValueError: the options contradict each other or the number of layers.
    """
    strategy, unique = cfg.layer_sharing, getattr(cfg, f"unique_{side}_layers", None)
    assignment = _assignment(strategy, side, len(layers), unique)
    share_parameters(layers, assignment)
    if layerdrop > 0 and len(set(assignment)) < len(assignment):
        logger.info(
            f"--{side}-layerdrop {layerdrop} with --layer-sharing {strategy}: a dropped position is skipped; "
            "the other positions of its layer still run and train it"
        )


def _assignment(strategy: str, side: str, layers: int, unique: Optional[int]) -> Assignment:
    option = f"--unique-{side}-layers"
    if strategy == "none":
        if unique is not None:
            raise ValueError(f"{option} {unique}: needs --layer-sharing, one of {', '.join(STRATEGIES)}")
        return tuple(range(1, layers + 1))
    if unique is None:
        raise ValueError(f"{option}: required with --layer-sharing {strategy}")
    return assign_layers(strategy, layers, unique, option)


def share_by_default(args: Namespace, strategy: str, **unique_layers: int) -> None:
    """What a preset shares where the user does not say otherwise.

    Args:
        args: the options given, completed in place.
        strategy: the preset's ``--layer-sharing``.
        unique_layers: its number of unique layers, ``encoder`` and ``decoder``.

    Raises:
        ValueError: see :func:`check_sharing`; fairseq itself would answer before it builds a model.
    """
    args.layer_sharing = safe_getattr(args, "layer_sharing", strategy)
    for side, unique in unique_layers.items():
        default = None if args.layer_sharing == "none" else unique
        setattr(args, f"unique_{side}_layers", safe_getattr(args, f"unique_{side}_layers", default))
    check_sharing(args)


def reentrant_under_ddp(cfg: Any) -> bool:
    """Whether torch's DDP watches backward passes within backward passes, where each parameter may be used but once."""
    # --offload-activations implies the other, which fairseq sets later where options come from YAML
    checkpointing = getattr(cfg, "checkpoint_activations", False) or getattr(cfg, "offload_activations", False)
    watched = getattr(cfg, "ddp_backend", None) in ("pytorch_ddp", "c10d")
    return bool(checkpointing) and watched and get_data_parallel_world_size() > 1


def check_sharing(cfg: Any) -> None:
    """Refuse what tied parameters cannot be combined with.

    Raises:
        ValueError: fully sharded training, re-entrant backward passes under torch's DDP, or pruning at load time.
    """
    if getattr(cfg, "layer_sharing", "none") == "none":
        return
    if getattr(cfg, "ddp_backend", None) == "fully_sharded":
        raise ValueError(
            f"--ddp-backend fully_sharded: cannot shard the tied layers of --layer-sharing {cfg.layer_sharing}; "
            "use --ddp-backend legacy_ddp"
        )
    if reentrant_under_ddp(cfg):
        raise ValueError(
            f"--checkpoint-activations: with --layer-sharing {cfg.layer_sharing}, --ddp-backend {cfg.ddp_backend} "
            "would see a parameter's gradient once a position; use --ddp-backend legacy_ddp"
        )
    for side in ("encoder", "decoder"):
        kept = getattr(cfg, f"{side}_layers_to_keep", None)
        if kept:
            given = kept if isinstance(kept, str) else ",".join(map(str, kept))
            raise ValueError(f"--{side}-layers-to-keep {given}: cannot prune layers that share their parameters")
