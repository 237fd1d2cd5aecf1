"""Options of our Transformer models: fairseq's own, flat, and ours."""

from argparse import Namespace
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, List, Tuple, Union

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models.transformer.transformer_config import (
    DecoderConfig,
    EncDecBaseConfig,
    QuantNoiseConfig,
    TransformerConfig,
)
from omegaconf import DictConfig, OmegaConf

from fairseq_flexdepth.depth.subnetworks import STRATEGIES
from fairseq_flexdepth.models.layer_sharing import SharingConfig

_GROUPS = {"encoder": EncDecBaseConfig, "decoder": DecoderConfig, "quant_noise": QuantNoiseConfig}
_SIZES = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")


def _flat_fields() -> List[Tuple[str, Any, Any]]:
    """The fields of fairseq's TransformerConfig under the names of their options.

    fairseq nests them (``decoder.embed_dim``) where its command line and checkpoints are flat
    (``--decoder-embed-dim``); omegaconf 2.0 can neither nest them by itself nor tell a missing key from ``None``.
    """
    flat = []
    for outer in fields(TransformerConfig):
        if outer.name.startswith("_"):
            continue
        if outer.name not in _GROUPS:
            flat.append((outer.name, outer.type, field(default=outer.default, metadata=outer.metadata)))
            continue
        for inner in fields(_GROUPS[outer.name]):
            if not inner.name.startswith("_"):
                default = inner.default
                if isinstance(default, str):  # the interpolation ${model.decoder.embed_dim}
                    default = default.replace("decoder.", "decoder_")
                flat.append((f"{outer.name}_{inner.name}", inner.type, field(default=default, metadata=inner.metadata)))
    return flat


FlatTransformerConfig: Any = make_dataclass("FlatTransformerConfig", _flat_fields(), bases=(FairseqDataclass,))


@dataclass
class FlexDepthTransformerConfig(SharingConfig, FlatTransformerConfig):
    """fairseq's Transformer options, the depths that the model is trained for, and what its layers share."""

    subnetworks: ChoiceEnum(STRATEGIES) = field(  # type: ignore[valid-type]
        default="head",
        metadata={"help": "which layers run when a depth is asked for; head: the first ones"},
    )
    encoder_depths: str = field(
        default="all",
        metadata={"help": "encoder depths to train and to support: all, divisors (of the number of layers) or 1,2,6"},
    )
    decoder_depths: str = field(
        default="all",
        metadata={"help": "decoder depths to train and to support: all, divisors (of the number of layers) or 1,2,6"},
    )
    residual_init: ChoiceEnum(("none", "admin")) = field(  # type: ignore[valid-type]
        default="none",
        metadata={
            "help": "admin: scale every residual by a trained vector, set from the variances in the first batch, which "
            "keeps deep Post-LN models trainable"
        },
    )


_OUR_DEFAULTS = {
    option.name: option.default
    for option in fields(FlexDepthTransformerConfig)
    if option.name not in {inherited.name for inherited in fields(FlatTransformerConfig)}
}


def check_sizes(config: TransformerConfig) -> None:
    """Refuse sizes that make no Transformer, which fairseq answers with a division by zero or an empty message.

    Raises:
        ValueError: a size is below 1, or the heads do not divide the width.
    """
    for side in ("encoder", "decoder"):
        sizes = {name: getattr(getattr(config, side), name) for name in _SIZES}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"--{side}-{name.replace('_', '-')} {size}: expected 1 or more")
        width, heads = sizes["embed_dim"], sizes["attention_heads"]
        if width % heads:
            raise ValueError(f"--{side}-attention-heads {heads}: expected a divisor of --{side}-embed-dim {width}")


def nested_config(cfg: Union[DictConfig, Namespace, FlexDepthTransformerConfig]) -> TransformerConfig:
    """The options as fairseq's encoder and decoder want them, ours among them.

    Options of ours that are missing get their defaults: presets do not name them all, nor do older checkpoints.
    """
    if OmegaConf.is_config(cfg):
        cfg = Namespace(**OmegaConf.to_container(cfg, resolve=True, enum_to_str=True))
    return TransformerConfig.from_namespace(Namespace(**{**_OUR_DEFAULTS, **vars(cfg)}))


def check_residual_init(cfg: TransformerConfig, task: Any) -> None:
    """Refuse Admin where its scales cannot be set or are not needed.

    Raises:
        ValueError: another task than translation, a Pre-LN model, or fully sharded training.
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
