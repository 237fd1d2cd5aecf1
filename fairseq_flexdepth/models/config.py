"""Options of our translation models, and their checks: fairseq's Transformer options under flat names, and our own."""

from argparse import Namespace
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, List, Sequence, Tuple, Union

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models.transformer.transformer_config import (
    DecoderConfig,
    EncDecBaseConfig,
    QuantNoiseConfig,
    TransformerConfig,
)
from fairseq.tasks import FairseqTask
from omegaconf import DictConfig, OmegaConf

from fairseq_flexdepth.depth.subnetwork_strategies import STRATEGIES
from fairseq_flexdepth.models.layer_sharing import SharingConfig, check_sharing

_GROUPS = {"encoder": EncDecBaseConfig, "decoder": DecoderConfig, "quant_noise": QuantNoiseConfig}
# The sizes of each side that must be 1 or more.
_SIZES = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")


def _flat_fields() -> List[Tuple[str, Any, Any]]:
    """The fields of fairseq's TransformerConfig under flat names, as on the command line and in checkpoints.

    fairseq's own fields are nested: ``decoder.embed_dim`` for ``--decoder-embed-dim``. omegaconf 2.0 cannot convert
    nested fields to flat names, and does not distinguish a missing key from ``None``.
    """
    flat = []
    for outer in fields(TransformerConfig):
        if outer.name.startswith("_"):
            continue
        if outer.name not in _GROUPS:  # not nested
            flat.append((outer.name, outer.type, field(default=outer.default, metadata=outer.metadata)))
            continue
        for inner in fields(_GROUPS[outer.name]):
            if not inner.name.startswith("_"):  # _name is fairseq's own
                default = inner.default
                if isinstance(default, str):  # the interpolation ${model.decoder.embed_dim}
                    default = default.replace("decoder.", "decoder_")
                flat.append((f"{outer.name}_{inner.name}", inner.type, field(default=default, metadata=inner.metadata)))
    return flat


FlatTransformerConfig: Any = make_dataclass("FlatTransformerConfig", _flat_fields(), bases=(FairseqDataclass,))


@dataclass
class DecoderDepthsConfig(FairseqDataclass):
    """The depth options of a decoder."""

    subnetworks: ChoiceEnum(STRATEGIES) = field(  # type: ignore[valid-type]
        default="head",
        metadata={"help": "which layers run at each depth; head: the first ones; see fairseq-flexdepth depths"},
    )
    decoder_depths: str = field(
        default="all",
        metadata={"help": "decoder depths to train and support: all, divisors (of the number of layers), or 1,2,6"},
    )


@dataclass
class DepthSpaceConfig(DecoderDepthsConfig):
    """The depth options of an encoder and a decoder."""

    encoder_depths: str = field(
        default="all",
        metadata={"help": "encoder depths to train and support: all, divisors (of the number of layers), or 1,2,6"},
    )


@dataclass
class FlexDepthTransformerConfig(DepthSpaceConfig, SharingConfig, FlatTransformerConfig):
    """fairseq's Transformer options, the depth options, and the options of layer sharing."""

    residual_init: ChoiceEnum(("none", "admin")) = field(  # type: ignore[valid-type]
        default="none",
        metadata={
            "help": "admin: multiply each residual by a trained vector, initialised from the variances in the first "
            "batch; keeps deep Post-LN models trainable"
        },
    )


# fairseq's TransformerConfig fills in the defaults of its own options only.
_OUR_DEFAULTS = {
    option.name: option.default
    for option in fields(FlexDepthTransformerConfig)
    if option.name not in {inherited.name for inherited in fields(FlatTransformerConfig)}
}


def check_options(config: TransformerConfig, task: FairseqTask) -> None:
    """Refuse options that a model of many depths cannot have, and options that contradict each other.

    Args:
        config: the options, nested.
        task: the task that trains the model.

    Raises:
        ValueError: ``--adaptive-softmax-cutoff`` or ``--base-layers`` is given, sizes do not fit each other, or layer
            sharing or Admin cannot be combined with other options.
    """
    if config.adaptive_softmax_cutoff is not None:
        raise ValueError(
            f"--adaptive-softmax-cutoff {config.adaptive_softmax_cutoff}: "
            "a model of many depths needs the full softmax; leave the option out"
        )
    check_base_layers(config)
    check_sizes(config)
    check_sharing(config)
    check_residual_init(config, task)


def check_base_layers(config: TransformerConfig) -> None:
    """Refuse BASE layers.

    Raises:
        ValueError: there is one.
    """
    if config.base_layers > 0:
        raise ValueError(
            f"--base-layers {config.base_layers}: would count as depths of the decoder; leave the option out"
        )


def check_sizes(config: TransformerConfig, sides: Sequence[str] = ("encoder", "decoder")) -> None:
    """Refuse impossible sizes, for which fairseq would raise a division by zero or an assertion without a message.

    Args:
        config: the options, nested.
        sides: the sides that the model has.

    Raises:
        ValueError: a size is below 1, or the heads do not divide the width.
    """
    for side in sides:
        sizes = {name: getattr(getattr(config, side), name) for name in _SIZES}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"--{side}-{name.replace('_', '-')} {size}: expected 1 or more")
        # fairseq's attention would raise an assertion without the option's name.
        width, heads = sizes["embed_dim"], sizes["attention_heads"]
        if width % heads:
            raise ValueError(f"--{side}-attention-heads {heads}: expected a divisor of --{side}-embed-dim {width}")


def nested_config(cfg: Union[DictConfig, Namespace, FlexDepthTransformerConfig]) -> TransformerConfig:
    """Convert flat options to the nested form that fairseq's encoder and decoder take; ours stay flat.

    Missing options of ours get their defaults: neither presets nor checkpoints of older versions have all of them.
    """
    if OmegaConf.is_config(cfg):  # from YAML, or from a checkpoint
        cfg = Namespace(**OmegaConf.to_container(cfg, resolve=True, enum_to_str=True))
    return TransformerConfig.from_namespace(Namespace(**{**_OUR_DEFAULTS, **vars(cfg)}))


def check_residual_init(cfg: TransformerConfig, task: FairseqTask) -> None:
    """Refuse ``--residual-init admin`` where its scales cannot be initialised or are not needed ([liu2020]).

    Raises:
        ValueError: the task is not translation, the model is Pre-LN, or the training is fully sharded.
    """
    if cfg.residual_init == "none":
        return
    if not getattr(task, "profiles_residuals", False):
        raise ValueError(
            f"--residual-init {cfg.residual_init}: expected --task translation, which sets the scales in its first "
            f"update, given {type(task).__name__}"
        )
    for side in ("encoder", "decoder"):
        if getattr(cfg, side).normalize_before:
            raise ValueError(
                f"--residual-init {cfg.residual_init}: expected a Post-LN model; leave out --{side}-normalize-before"
            )
    if getattr(cfg, "ddp_backend", None) == "fully_sharded":
        raise ValueError(
            f"--ddp-backend fully_sharded: cannot shard before --residual-init {cfg.residual_init} has set its "
            "scales; use --ddp-backend legacy_ddp"
        )
