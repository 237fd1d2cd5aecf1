"""The decoding options of our tasks: ``--enc-layers``, ``--dec-layers``, ``--depth-selector``, and others.

A task with a dataclass inherits the groups that it supports; a task with ``add_args`` passes them to fairseq's
``gen_parser_from_dataclass``. ``decoding/model_depth.py`` applies a depth to a model; ``depth/supported_depths.py``
refuses other depths than the model supports: ``--enc-layers 7: this model supports 1,2``. The depths to train,
``--encoder-depths`` and ``--decoder-depths``, are options of the model: ``models/config.py``.
"""

from dataclasses import dataclass, field
from typing import Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.tasks.translation import TranslationConfig

from fairseq_flexdepth.decoding.draft_choice import DEFAULT_WORDS
from fairseq_flexdepth.decoding.draft_vocabulary import DEFAULT_SIZE
from fairseq_flexdepth.decoding.greedy_options import MOST_WORDS
from fairseq_flexdepth.depth.subnetwork_strategies import STRATEGIES


@dataclass
class DecoderDepthOptions(FairseqDataclass):
    """The options of every task: the depth to decode at of a model without an encoder, and the training of zeros."""

    dec_layers: Optional[int] = field(
        default=None, metadata={"help": "number of decoder layers to decode with (default: the deepest trained)"}
    )
    subnetworks: Optional[ChoiceEnum(STRATEGIES)] = field(  # type: ignore[valid-type]
        default=None,
        metadata={
            "help": "which layers run at each depth (default: as trained); left: the layers that LayerDrop keeps"
        },
    )
    keep_pruned: bool = field(
        default=False,
        metadata={"help": "retrain a pruned checkpoint: weights that are zero when it is loaded stay zero"},
    )


@dataclass
class DepthOptions(DecoderDepthOptions):
    """The options of every task whose models have an encoder and a decoder."""

    enc_layers: Optional[int] = field(
        default=None, metadata={"help": "number of encoder layers to decode with (default: the deepest trained)"}
    )


@dataclass
class BleuOptions(FairseqDataclass):
    """The options of a :class:`~fairseq_flexdepth.tasks.bleu_at_depths.BleuAtDepthsMixin`."""

    eval_bleu_depths: Optional[str] = field(
        default=None,
        metadata={
            "help": "with --eval-bleu: depth pairs whose BLEU is logged, too, as bleu_e<n>d<m>, such as 1-1,3-3"
        },
    )


@dataclass
class SelectorOptions(FairseqDataclass):
    """The options of a :class:`~fairseq_flexdepth.tasks.selective_task.SelectiveTask`."""

    depth_selector: Optional[str] = field(
        default=None,
        metadata={
            "help": "decode each sentence at its own depth, chosen by a trained selector (selector.pt), by the labels "
            "of fairseq-flexdepth oracle (oracle:labels/), or by the sentence's length (length:12=1-1,20=2-2,3-3)"
        },
    )
    selector_threshold: Optional[float] = field(
        default=None,
        metadata={
            "help": "a sentence is decoded at the deepest depth pair if no output of the selector reaches this "
            "(default: 0.5, or 0 for a selector trained by cost_aware_depth_selection)"
        },
    )


@dataclass
class GreedyOptions(FairseqDataclass):
    """The options of a :class:`~fairseq_flexdepth.tasks.greedy_search.GreedySearchMixin`."""

    fast_greedy: bool = field(
        default=False,
        metadata={"help": "with --beam 1: a greedy search with less work per word and the same translations"},
    )
    draft_dec_layers: Optional[str] = field(
        default=None,
        metadata={
            "help": "with --beam 1: the first decoder layers, this many, draft words that all layers then check, which "
            "gives the same translations in less time; auto: chosen by the speed on the first sentences"
        },
    )
    draft_tokens: Optional[int] = field(
        default=None,
        metadata={"help": f"number of words to draft before a check, 1 to {MOST_WORDS} (default: {DEFAULT_WORDS})"},
    )
    draft_vocabulary: Optional[int] = field(
        default=None,
        metadata={"help": f"draft from this many most frequent words only (default: {DEFAULT_SIZE}, or all if fewer)"},
    )


@dataclass
class FlexDepthTranslationConfig(GreedyOptions, SelectorOptions, BleuOptions, DepthOptions, TranslationConfig):
    """fairseq's translation options, and the depth to decode at."""
