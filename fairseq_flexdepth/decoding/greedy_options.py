"""The options of greedy search: ``--fast-greedy``, ``--draft-dec-layers`` and those that belong to it; their checks."""

from typing import Any, Dict, NamedTuple, Optional, Sequence

from fairseq.models.transformer import TransformerDecoder, TransformerDecoderBase
from fairseq.modules.transformer_layer import TransformerDecoderLayerBase

from fairseq_flexdepth.models.transformer_decoder import FlexDepthDecoder

AUTO = "auto"
MOST_WORDS = 16  # the limit of --draft-tokens
NAMES = ("fast_greedy", "draft_dec_layers", "draft_tokens", "draft_vocabulary")
# The decoders whose embedding and loop over the layers ours replaces; a subclass may do something else there.
_DECODERS = (FlexDepthDecoder, TransformerDecoderBase, TransformerDecoder)
# Options of fairseq's that ask for another search, or for more than ours computes; with their defaults.
_REFUSED: Dict[str, Any] = {
    "sampling": False,
    "diverse_beam_groups": -1,
    "diversity_rate": -1.0,
    "constraints": None,
    "prefix_allowed_tokens_fn": None,
    "match_source_len": False,
    "no_repeat_ngram_size": 0,
    "print_alignment": None,
    "retain_dropout": False,
    "score_reference": False,
    "lm_path": None,
}


class GreedyOptions(NamedTuple):
    """The options of our greedy search; ``None`` where an option is not given."""

    fast: bool
    layers: Optional[str]  # the decoder depth that drafts, or AUTO
    words: Optional[int]  # drafted per turn
    vocabulary: Optional[int]  # words that a draft may propose

    @property
    def cause(self) -> str:
        """The option that asks for our greedy search, as typed."""
        return "--fast-greedy" if self.layers is None else f"--draft-dec-layers {self.layers}"


def asked_options(*sources: Any) -> Optional[GreedyOptions]:
    """The options that *sources* give; ``None`` if they do not ask for our greedy search.

    Args:
        sources: fairseq's configurations, an earlier one before a later one; they may lack the options.

    Raises:
        ValueError: an option has a wrong value, or lacks the option that it belongs to.
    """
    fast, layers, words, vocabulary = (_first(name, sources) for name in NAMES)
    options = GreedyOptions(bool(fast), None if layers is None else str(layers), words, vocabulary)
    if options.layers is None:
        for name, value in zip(NAMES[2:], (words, vocabulary)):
            if value is not None:
                raise ValueError(f"{_option(name)} {value}: needs --draft-dec-layers")
        return options if options.fast else None
    if options.layers != AUTO and not options.layers.isdecimal():
        raise ValueError(f"{options.cause}: expected a number of decoder layers, or {AUTO}")
    if words is not None and not 1 <= words <= MOST_WORDS:
        raise ValueError(f"--draft-tokens {words}: expected 1 to {MOST_WORDS}")
    return options


def _first(name: str, sources: Sequence[Any]) -> Any:
    """The first value of this name that is given in *sources*; older checkpoints' configurations lack the name."""
    return next((value for value in (getattr(source, name, None) for source in sources) if value is not None), None)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def check_search(options: GreedyOptions, generation: Any, further: Dict[str, Any]) -> None:
    """Refuse options of another search.

    Args:
        options: what asks for our greedy search.
        generation: fairseq's options of generation.
        further: the other arguments of fairseq's ``build_generator``.

    Raises:
        ValueError: *generation* or *further* asks for another search.
    """
    beam = getattr(generation, "beam", 5)  # fairseq's default
    if beam != 1:
        raise ValueError(f"--beam {beam}: expected --beam 1 with {options.cause}, which is greedy search")
    for name, default in _REFUSED.items():
        value = further.get(name) or getattr(generation, name, default)
        if value not in (default, None, False):
            given = _option(name) if value is True or callable(value) else f"{_option(name)} {value}"
            raise ValueError(f"{given}: cannot be combined with {options.cause}; leave one of them out")
    if (further.get("extra_gen_cls_kwargs") or {}).get("lm_model") is not None:
        raise ValueError(f"--lm-path: cannot be combined with {options.cause}; leave one of them out")


def check_models(options: GreedyOptions, models: Sequence[Any]) -> None:
    """Refuse models that our greedy search cannot run.

    Raises:
        ValueError: there are several, the model is no Transformer, it has no exits to draft with, or the draft
            vocabulary is larger than its dictionary.
    """
    cause, model = options.cause, models[0]
    if len(models) > 1:
        raise ValueError(f"{cause}: expected one model, given an ensemble of {len(models)}")
    decoder: Any = getattr(model, "decoder", None)
    if type(decoder) not in _DECODERS:
        raise ValueError(f"{cause}: expected a Transformer, given a {type(model).__name__}")
    special = {
        "--adaptive-softmax-cutoff": decoder.adaptive_softmax is not None,
        "--cross-self-attention": decoder.cross_self_attention,
        "--base-layers": not all(isinstance(layer, TransformerDecoderLayerBase) for layer in decoder.layers),
    }
    for option, used in special.items():
        if used:
            raise ValueError(f"{cause}: does not work with a model that was trained with {option}")
    if options.layers is not None and not hasattr(model, "depth_space"):
        raise ValueError(
            f"{cause}: the checkpoint's {type(model).__name__} has one depth, which leaves none to draft; "
            "try --fast-greedy"
        )
    words = len(decoder.dictionary)
    if options.vocabulary is not None and not 1 <= options.vocabulary <= words:
        raise ValueError(f"--draft-vocabulary {options.vocabulary}: expected 1 to {words}, the size of the dictionary")


def drafting_layers(model: Any, depth: int) -> int:
    """The number of layers that run at decoder *depth*, if they are the first ones of those that *model* runs now.

    Raises:
        ValueError: the depth is outside the depth space, not below the present depth, or runs other layers first.
    """
    option = f"--draft-dec-layers {depth}"
    supported = model.depth_space.decoder
    if depth not in supported:
        raise ValueError(f"{option}: this model supports {','.join(map(str, supported))}")
    checking, drafting = model.decoder.layers.active, model.decoder_subnetworks[depth]
    if len(drafting) >= len(checking):
        raise ValueError(f"{option}: expected less than {len(checking)}, the decoder layers that check the drafts")
    if checking[: len(drafting)] != drafting:
        runs, among = (",".join(map(str, positions)) for positions in (drafting, checking))
        raise ValueError(
            f"{option}: runs the decoder layers {runs}, which do not come first among {among}, the layers that check "
            f"the drafts (--subnetworks {model.strategy})"
        )
    return len(drafting)


def drafting_depths(model: Any) -> Sequence[int]:
    """The decoder depths that can draft for the present depth of *model*, ascending."""
    checking = model.decoder.layers.active
    found = []
    for depth in model.depth_space.decoder:
        positions = model.decoder_subnetworks[depth]
        if len(positions) < len(checking) and checking[: len(positions)] == positions:
            found.append(depth)
    return found
