"""The values of ``--arch`` for translation: presets of one model, in the sizes of fairseq's ``transformer`` presets."""

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

from fairseq_flexdepth.compat import register_architecture, register_own_architecture
from fairseq_flexdepth.models import (  # noqa: F401  (registers the models)
    language_model,
    multilingual_transformer,
    speech_to_text,
    transformer,
)
from fairseq_flexdepth.models.layer_sharing import cycle_rev_by_default, share_by_default

Architecture = Callable[[Namespace], None]


def nothing_shared(args: Namespace) -> None:
    """Set the defaults of no sharing: every layer position has its own layer, as in [dabre2020] §3."""
    share_by_default(args, "none")


def recurrent_stacked(args: Namespace) -> None:
    """Set the defaults of recurrent stacking: one unique layer per side ([dabre2020] §5)."""
    share_by_default(args, "cycle", encoder=1, decoder=1)


def cycle_shared(args: Namespace) -> None:
    """Set the defaults of CYCLE (REV): N = 12 positions and M = 6 unique layers per side ([takase2021] §3.1)."""
    cycle_rev_by_default(args, encoder=(12, 6), decoder=(12, 6))


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
    # The family comes first: fairseq's sizes fill in what is still missing, the numbers of layers among it.
    family(args)
    size(args)


for _family, _share in _FAMILIES.items():
    for _suffix, _size in _SIZES.items():
        _architecture = partial(_preset, _share, _size)
        # A model's name is an architecture already, which fairseq has registered with every option at its default.
        if _family + _suffix == "tied_multi_transformer":
            register_own_architecture(_family, _architecture)
        else:
            register_architecture("tied_multi_transformer", _family + _suffix)(_architecture)
