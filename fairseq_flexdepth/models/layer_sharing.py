"""Layer sharing: its options, defaults and checks, for our Transformer, language model and speech model."""

import logging
from argparse import Namespace
from dataclasses import dataclass, field
from typing import Any, Optional, Tuple

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.distributed.utils import get_data_parallel_world_size
from fairseq.utils import safe_getattr
from omegaconf import II
from torch import nn

from fairseq_flexdepth.depth.sharing_strategies import STRATEGIES, Assignment, assign_layers
from fairseq_flexdepth.modules.shared_layers import share_parameters

logger = logging.getLogger(__name__)

LAYER_SHARING = ("none", *STRATEGIES)


@dataclass
class DecoderSharingConfig(FairseqDataclass):
    """Options of layer sharing in a model that has a decoder only ([takase2021] §2)."""

    layer_sharing: ChoiceEnum(LAYER_SHARING) = field(  # type: ignore[valid-type]
        default="none",
        metadata={
            "help": "which layer positions share their parameters; with 6 positions and 3 unique layers, sequence: "
            "1 1 2 2 3 3, cycle: 1 2 3 1 2 3, cycle_rev: 1 2 3 3 2 1"
        },
    )
    unique_decoder_layers: Optional[int] = field(
        default=None,
        metadata={
            "help": "number of unique decoder layers, a divisor of --decoder-layers; 1: recurrent stacking; required "
            "with --layer-sharing unless the --arch sets it"
        },
    )
    ddp_backend: str = II("distributed_training.ddp_backend")


@dataclass
class SharingConfig(DecoderSharingConfig):
    """Options of layer sharing in an encoder-decoder."""

    unique_encoder_layers: Optional[int] = field(
        default=None,
        metadata={
            "help": "number of unique encoder layers, a divisor of --encoder-layers; 1: recurrent stacking; required "
            "with --layer-sharing unless the --arch sets it"
        },
    )


def share_side(layers: nn.ModuleList, cfg: Any, side: str, layerdrop: float = 0.0) -> None:
    """Tie the parameters of the layers of one side, as ``--layer-sharing`` says.

    Args:
        layers: the stack of that side, one layer per position.
        cfg: holds ``layer_sharing`` and ``unique_encoder_layers`` or ``unique_decoder_layers``.
        side: ``encoder`` or ``decoder``.
        layerdrop: the LayerDrop probability of that side; with sharing, the log says how the two combine.

    Raises:
        ValueError: the options contradict each other or the number of layers.
    """
    strategy, unique = cfg.layer_sharing, getattr(cfg, f"unique_{side}_layers", None)
    assignment = _assignment(strategy, side, len(layers), unique)
    share_parameters(layers, assignment)  # each position keeps a layer object of its own, for its decoding cache
    if layerdrop > 0 and len(set(assignment)) < len(assignment):
        logger.info(
            f"--{side}-layerdrop {layerdrop} with --layer-sharing {strategy}: a dropped position is skipped; "
            "the other positions of its layer still run and train it"
        )


def _assignment(strategy: str, side: str, layers: int, unique: Optional[int]) -> Assignment:
    """The unique layer of each position of one side; without sharing every position has its own."""
    option = f"--unique-{side}-layers"
    if strategy == "none":
        if unique is not None:
            raise ValueError(f"{option} {unique}: needs --layer-sharing, one of {', '.join(STRATEGIES)}")
        return tuple(range(1, layers + 1))
    if unique is None:
        raise ValueError(f"{option}: required with --layer-sharing {strategy}")
    return assign_layers(strategy, layers, unique, option)


def share_by_default(args: Namespace, strategy: str, **unique_layers: int) -> None:
    """Fill in the sharing options of a preset where the user gave none.

    Args:
        args: the options given, completed in place.
        strategy: the preset's ``--layer-sharing``.
        unique_layers: the preset's numbers of unique layers, by side: ``encoder`` and ``decoder``.

    Raises:
        ValueError: see :func:`check_sharing`. It is called here too, because fairseq checks other options, with less
            helpful messages, before it builds the model.
    """
    args.layer_sharing = safe_getattr(args, "layer_sharing", strategy)
    for side, unique in unique_layers.items():
        # With --layer-sharing none a number of unique layers is refused, so the preset's must not be filled in.
        default = None if args.layer_sharing == "none" else unique
        setattr(args, f"unique_{side}_layers", safe_getattr(args, f"unique_{side}_layers", default))
    check_sharing(args)


def cycle_rev_by_default(args: Namespace, **sides: Tuple[int, int]) -> None:
    """Fill in CYCLE (REV), [takase2021] §2.3, and the sizes of its stacks where the user gave none.

    Args:
        args: the options given, completed in place.
        sides: N layer positions and M unique layers, by side: ``encoder`` and ``decoder``.

    Raises:
        ValueError: see :func:`check_sharing`.
    """
    for side, (positions, _) in sides.items():
        setattr(args, f"{side}_layers", safe_getattr(args, f"{side}_layers", positions))
    share_by_default(args, "cycle_rev", **{side: unique for side, (_, unique) in sides.items()})


def checkpoints(cfg: Any) -> bool:
    """Whether activations are checkpointed."""
    # --offload-activations implies --checkpoint-activations, but from YAML fairseq sets the latter only later.
    return bool(getattr(cfg, "checkpoint_activations", False) or getattr(cfg, "offload_activations", False))


def reentrant_under_ddp(cfg: Any) -> bool:
    """Whether torch's DDP runs with activation checkpointing.

    Checkpointing runs a backward pass within the backward pass (re-entrant). torch's DDP then counts a parameter as
    finished after its first gradient, so no parameter may be used twice per update.
    """
    watched = getattr(cfg, "ddp_backend", None) in ("pytorch_ddp", "c10d")
    return checkpoints(cfg) and watched and get_data_parallel_world_size() > 1


def check_sharing(cfg: Any) -> None:
    """Refuse options that cannot be combined with tied parameters.

    Raises:
        ValueError: ``--layer-sharing`` is given with fully sharded training, with activation checkpointing under
            torch's DDP (see :func:`reentrant_under_ddp`), or with ``--encoder-layers-to-keep`` or
            ``--decoder-layers-to-keep``.
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
            "would see a parameter's gradient once per position; use --ddp-backend legacy_ddp"
        )
    # fairseq prunes by the names in the checkpoint, which has each unique layer only once.
    for side in ("encoder", "decoder"):
        kept = getattr(cfg, f"{side}_layers_to_keep", None)
        if kept:
            given = kept if isinstance(kept, str) else ",".join(map(str, kept))
            raise ValueError(f"--{side}-layers-to-keep {given}: cannot prune layers that share their parameters")
