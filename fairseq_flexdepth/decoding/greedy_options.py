"""The options of greedy search: ``--fast-greedy``, ``--draft-dec-layers`` and those that belong to it; their checks."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

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
    def asked(self) -> bool:
        """Whether they ask for our greedy search."""
        return self.fast or self.layers is not None

    @property
    def cause(self) -> str:
        """The option that asks for our greedy search, as typed."""
        return "--fast-greedy" if self.layers is None else f"--draft-dec-layers {self.layers}"


def read_options(*sources: Any) -> GreedyOptions:
    """The options that *sources* give, unchecked.

    Args:
        sources: fairseq's configurations, an earlier one before a later one; they may lack the options.
    """
    fast, layers, words, vocabulary = (_first(name, sources) for name in NAMES)
    return GreedyOptions(bool(fast), None if layers is None else str(layers), words, vocabulary)


def asked_options(*sources: Any) -> Optional[GreedyOptions]:
    """The options that *sources* give, as in :func:`read_options`; ``None`` if they do not ask for our greedy search.

    Raises:
        ValueError: options have wrong values, or lack the option that they belong to.
    """
    options = read_options(*sources)
    refuse(value_mistakes(options))
    return options if options.asked else None


def refuse(mistakes: Sequence[str]) -> None:
    """Refuse all *mistakes* in one line.

    Raises:
        ValueError: there are any.
    """
    if mistakes:
        raise ValueError("; ".join(mistakes))


def _first(name: str, sources: Sequence[Any]) -> Any:
    """The first value of this name that is given in *sources*; older checkpoints' configurations lack the name."""
    return next((value for value in (getattr(source, name, None) for source in sources) if value is not None), None)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def value_mistakes(options: GreedyOptions) -> List[str]:
    """The options of wrong values, and those that lack the option that they belong to."""
    belonging = zip(NAMES[2:], (options.words, options.vocabulary))
    if options.layers is None:
        return [f"{_option(name)} {value}: needs --draft-dec-layers" for name, value in belonging if value is not None]
    mistakes = []
    if options.layers != AUTO and not options.layers.isdecimal():
        mistakes.append(f"{options.cause}: expected a number of decoder layers, or {AUTO}")
    if options.words is not None and not 1 <= options.words <= MOST_WORDS:
        mistakes.append(f"--draft-tokens {options.words}: expected 1 to {MOST_WORDS}")
    return mistakes


def search_mistakes(options: GreedyOptions, generation: Any, further: Dict[str, Any]) -> List[str]:
    """The options that ask for another search.

    Args:
        options: those that ask for our greedy search.
        generation: fairseq's options of generation.
        further: the other arguments of fairseq's ``build_generator``.
    """
    mistakes, others = [], []
    beam = getattr(generation, "beam", 5)  # fairseq's default
    if beam != 1:
        mistakes.append(f"--beam {beam}: expected --beam 1 with {options.cause}, which is greedy search")
    for name, default in _REFUSED.items():
        value = further.get(name) or getattr(generation, name, default)
        if value not in (default, None, False):
            others.append(_option(name) if value is True or callable(value) else f"{_option(name)} {value}")
    language_model = (further.get("extra_gen_cls_kwargs") or {}).get("lm_model")
    if language_model is not None and getattr(generation, "lm_path", None) is None:  # from Python
        others.append("--lm-path")
    if others:
        given = ", ".join(others)
        mistakes.append(f"{given}: cannot be combined with {options.cause}; leave out the one or the other")
    return mistakes


def model_mistakes(options: GreedyOptions, models: Sequence[Any]) -> List[str]:
    """The options that do not fit the model, or the reason why our greedy search cannot run it."""
    cause, model = options.cause, models[0]
    if len(models) > 1:
        return [f"{cause}: expected one model, given an ensemble of {len(models)}"]
    decoder: Any = getattr(model, "decoder", None)
    if type(decoder) not in _DECODERS:
        return [f"{cause}: expected a Transformer, given a {type(model).__name__}"]
    special = {
        "--adaptive-softmax-cutoff": decoder.adaptive_softmax is not None,
        "--cross-self-attention": decoder.cross_self_attention,
        "--base-layers": not all(isinstance(layer, TransformerDecoderLayerBase) for layer in decoder.layers),
    }
    used = [option for option, is_used in special.items() if is_used]
    mistakes = [f"{cause}: does not work with a model that was trained with {option}" for option in used]
    if options.layers is not None:
        mistakes += _draft_mistakes(options, model)
    return mistakes


def _draft_mistakes(options: GreedyOptions, model: Any) -> List[str]:
    """The options of drafts that do not fit the model."""
    if not hasattr(model, "depth_space"):
        return [
            f"{options.cause}: the checkpoint's {type(model).__name__} has one depth, which leaves none to draft; try "
            "--fast-greedy"
        ]
    mistakes = []
    if str(options.layers).isdecimal():
        try:
            drafting_layers(model, int(str(options.layers)))
        except ValueError as error:
            mistakes.append(str(error))
    words = len(model.decoder.dictionary)
    if options.vocabulary is not None and not 1 <= options.vocabulary <= words:
        mistakes.append(f"--draft-vocabulary {options.vocabulary}: expected 1 to {words}, the size of the dictionary")
    return mistakes


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
