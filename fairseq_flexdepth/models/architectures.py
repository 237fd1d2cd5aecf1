"""Named architectures: presets of one model, with the sizes of fairseq's own ``transformer`` presets."""

from argparse import Namespace
from typing import Callable, Dict

from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.models.transformer import (
    base_architecture,
    tiny_architecture,
    transformer_iwslt_de_en,
    transformer_wmt_en_de,
    transformer_wmt_en_de_big,
)

from fairseq_flexdepth.compat import register_architecture
from fairseq_flexdepth.models import transformer  # noqa: F401  (registers the model that the presets name)

_SIZES: Dict[str, Callable[[Namespace], None]] = {
    "tiny": tiny_architecture,
    "iwslt_de_en": transformer_iwslt_de_en,
    "wmt_en_de": transformer_wmt_en_de,
    "wmt_en_de_big": transformer_wmt_en_de_big,
}

for _size, _architecture in _SIZES.items():
    register_architecture("tied_multi_transformer", f"tied_multi_transformer_{_size}")(_architecture)

# fairseq registers a model's own name as a preset that leaves every option at its default; as in `transformer`,
# what is not given for the decoder should follow the encoder.
ARCH_CONFIG_REGISTRY["tied_multi_transformer"] = base_architecture
