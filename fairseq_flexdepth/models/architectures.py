"""Named architectures: presets of one model, with the sizes of fairseq's own ``transformer`` presets."""

from argparse import Namespace
from functools import partial
from typing import Callable, Dict

from fairseq.models.transformer import (
    base_architecture,
    tiny_architecture,
    transformer_iwslt_de_en,
    transformer_wmt_en_de,
    transformer_wmt_en_de_big,
)
from fairseq.utils import safe_getattr

from fairseq_flexdepth.compat import register_architecture, register_own_architecture
from fairseq_flexdepth.models import language_model, speech_to_text, transformer  # noqa: F401  (registers the models)
from fairseq_flexdepth.models.layer_sharing import share_by_default

Architecture = Callable[[Namespace], None]


def nothing_shared(args: Namespace) -> None:
    """Tied-multi: every position has a layer of its own."""
    share_by_default(args, "none")


def recurrent_stacked(args: Namespace) -> None:
    """Recurrent stacking (tied_multi §5): one unique layer a side."""
    share_by_default(args, "cycle", encoder=1, decoder=1)


def cycle_shared(args: Namespace) -> None:
    """CYCLE (REV) with M = 6 and N = 12 on both sides (layer_sharing §3.1)."""
    args.encoder_layers = safe_getattr(args, "encoder_layers", 12)
    args.decoder_layers = safe_getattr(args, "decoder_layers", 12)
    share_by_default(args, "cycle_rev", encoder=6, decoder=6)


_FAMILIES: Dict[str, Architecture] = {
    "tied_multi_transformer": nothing_shared,
    "recurrent_stacked_transformer": recurrent_stacked,
    "cycle_shared_transformer": cycle_shared,
}
_SIZES: Dict[str, Architecture] = {
    "": base_architecture,
    "_tiny": tiny_architecture,
    "_iwslt_de_en": transformer_iwslt_de_en,
    "_wmt_en_de": transformer_wmt_en_de,
    "_wmt_en_de_big": transformer_wmt_en_de_big,
}


def _preset(family: Architecture, size: Architecture, args: Namespace) -> None:
    family(args)
    size(args)


for _family, _share in _FAMILIES.items():
    for _suffix, _size in _SIZES.items():
        _architecture = partial(_preset, _share, _size)
        if _family + _suffix == "tied_multi_transformer":
            register_own_architecture(_family, _architecture)
        else:
            register_architecture("tied_multi_transformer", _family + _suffix)(_architecture)
