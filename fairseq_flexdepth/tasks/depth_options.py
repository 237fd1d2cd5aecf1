"""The options of the translation task: a depth for all sentences, or how to choose each one's."""

from dataclasses import dataclass, field
from typing import Optional

from fairseq.dataclass import ChoiceEnum
from fairseq.tasks.translation import TranslationConfig

from fairseq_flexdepth.depth.subnetworks import STRATEGIES


@dataclass
class FlexDepthTranslationConfig(TranslationConfig):
    """fairseq's translation options and the depth to decode at."""

    enc_layers: Optional[int] = field(
        default=None, metadata={"help": "decode with this many encoder layers (default: the deepest trained)"}
    )
    dec_layers: Optional[int] = field(
        default=None, metadata={"help": "decode with this many decoder layers (default: the deepest trained)"}
    )
    subnetworks: Optional[ChoiceEnum(STRATEGIES)] = field(  # type: ignore[valid-type]
        default=None, metadata={"help": "which layers a depth runs (default: as trained); left: as LayerDrop prunes"}
    )
    depth_selector: Optional[str] = field(
        default=None,
        metadata={
            "help": "decode each sentence at its own depth, chosen by a trained selector (selector.pt), the labels of "
            "fairseq-flexdepth oracle (oracle:labels/) or its length (length:12=1-1,20=2-2,3-3)"
        },
    )
    selector_threshold: Optional[float] = field(
        default=None,
        metadata={
            "help": "decode at the deepest pair where no output of the selector reaches this (default: 0.5, or 0 for "
            "a selector trained by cost_aware_depth_selection)"
        },
    )
    keep_pruned: bool = field(
        default=False,
        metadata={"help": "train the other weights of a pruned checkpoint: what is zero when it is loaded stays zero"},
    )
