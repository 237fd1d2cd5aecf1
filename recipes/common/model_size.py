"""The parameters of a model and of its parts, computed from the options of fairseq-train without building it."""

from argparse import Namespace
from typing import List, NamedTuple, Tuple

from fairseq.models import ARCH_MODEL_REGISTRY, FairseqLanguageModel
from fairseq.models.lstm import LSTMModel
from fairseq.models.speech_to_text import S2TTransformerModel

from fairseq_flexdepth.models.depth_selector import DEFAULT_WIDTH, DepthSelector

SPEECH_FEATURES = 80  # filter banks per frame: fairseq's default, which recipes/common/data/librispeech.py keeps


class ModelSize(NamedTuple):
    """Numbers of parameters. A part that runs once per token does a multiplication and an addition per parameter."""

    encoder_layer: float  # a layer of the encoder; the mean if they differ
    decoder_layer: float
    below: float  # what runs once per encoder position, before the layers
    above: float  # what runs once per decoder position besides the layers and the projection
    projection: float  # the projection of one exit onto the vocabulary
    total: float  # all parameters, each shared one once


def model_size(options: Namespace, words: Tuple[int, int]) -> ModelSize:
    """Return the size of a model.

    Args:
        options: all options of fairseq-train, defaults included.
        words: the sizes of the source and of the target dictionary.
    """
    model = ARCH_MODEL_REGISTRY[options.arch]
    if issubclass(model, LSTMModel):
        return _lstm(options, words)
    if issubclass(model, DepthSelector):
        return _selector(options, words[0])
    if issubclass(model, FairseqLanguageModel):
        return _language_model(options, words[1])
    return _transformer(options, words, speech=issubclass(model, S2TTransformerModel))


def unique_layers(options: Namespace, side: str) -> int:
    """Return the number of layers of one side that have parameters of their own."""
    return getattr(options, f"unique_{side}_layers", None) or getattr(options, f"{side}_layers")


def _attention(width: int, other: int) -> int:
    """The parameters of an attention over positions of the width *other*."""
    return 2 * (width * width + width) + 2 * (other * width + width)


def _layer(width: int, inner: int, attended: List[int]) -> int:
    """The parameters of a Transformer layer; every sub-layer has a layer norm."""
    feed_forward = 2 * width * inner + inner + width
    return sum(_attention(width, other) for other in attended) + feed_forward + 2 * width * (len(attended) + 1)


def _transformer(options: Namespace, words: Tuple[int, int], speech: bool) -> ModelSize:
    width, above = options.encoder_embed_dim, options.decoder_embed_dim
    encoder_layer = _layer(width, options.encoder_ffn_embed_dim, [width])
    decoder_layer = _layer(above, options.decoder_ffn_embed_dim, [above, width])
    norms = 2 * width * options.encoder_normalize_before + 2 * above * options.decoder_normalize_before
    scales = 0  # Admin's, which are not shared
    if getattr(options, "residual_init", "none") == "admin":
        scales = 2 * width * options.encoder_layers + 3 * above * options.decoder_layers
    source, target = words[0] * width, words[1] * above
    subsampling, run_below = _subsampling(options) if speech else (0, 0)
    embeddings = target if speech else source + target
    if not speech and options.share_all_embeddings:
        embeddings = target
    elif not options.share_decoder_input_output_embed:
        embeddings += target
    total = unique_layers(options, "encoder") * encoder_layer + unique_layers(options, "decoder") * decoder_layer
    total += norms + scales + embeddings + subsampling
    return ModelSize(encoder_layer, decoder_layer, run_below, 0, target, total)


def _subsampling(options: Namespace) -> Tuple[int, int]:
    """The parameters of the convolutions below a speech encoder, and those times their runs per encoder position."""
    kernels = [int(kernel) for kernel in options.conv_kernel_sizes.split(",")]
    inputs, parameters, runs = SPEECH_FEATURES, 0, 0
    for number, kernel in enumerate(kernels, start=1):
        outputs = options.conv_channels if number < len(kernels) else 2 * options.encoder_embed_dim
        own = inputs * outputs * kernel + outputs
        parameters += own
        runs += own * 2 ** (len(kernels) - number)  # each halves the number of positions
        inputs = outputs // 2  # the gate halves the channels
    return parameters, runs


def _language_model(options: Namespace, words: int) -> ModelSize:
    """The size of a language model whose adaptive softmax has the weights of its adaptive input."""
    width = options.decoder_embed_dim
    layer = _layer(width, options.decoder_ffn_embed_dim, [width])
    cutoffs = [int(cutoff) for cutoff in options.adaptive_softmax_cutoff.split(",")]
    bands = [*cutoffs, words] if words > cutoffs[-1] else cutoffs
    embeddings = 0
    for number, (start, end) in enumerate(zip([0, *bands], bands)):
        own = int(width // options.adaptive_input_factor**number)
        embeddings += (end - start) * own + own * width
    classes = (len(bands) - 1) * width  # the head has a class for each further band
    norm = 2 * width * (options.decoder_normalize_before and not options.no_decoder_final_norm)
    total = unique_layers(options, "decoder") * layer + embeddings + classes + norm
    # Few words are beyond the first band: the projections of the other bands are not counted as work.
    return ModelSize(0, layer, 0, 0, bands[0] * width + classes, total)


def _lstm(options: Namespace, words: Tuple[int, int]) -> ModelSize:
    below, above = options.encoder_hidden_size, options.decoder_hidden_size
    out = options.decoder_out_embed_dim
    encoder = _lstm_layers(options.encoder_layers, options.encoder_embed_dim, below)
    decoder = _lstm_layers(options.decoder_layers, above + options.decoder_embed_dim, above)
    attention = above * below + (above + below) * above
    bridge = 0 if below == above else 2 * (below * above + above)  # once per sentence
    narrowing = 0 if out == above else above * out + out
    projection = out * words[1] + words[1]
    total = words[0] * options.encoder_embed_dim + words[1] * options.decoder_embed_dim + encoder + decoder
    total += attention + bridge + narrowing + projection
    layers = encoder / options.encoder_layers, decoder / options.decoder_layers
    return ModelSize(*layers, 0, attention + narrowing, projection, total)


def _lstm_layers(layers: int, inputs: int, units: int) -> int:
    """The parameters of a stack of LSTM layers: four gates, each with two biases."""
    return 4 * units * (inputs + units + 2) + (layers - 1) * 4 * units * (2 * units + 2)


def _selector(options: Namespace, words: int) -> ModelSize:
    """The size of a depth selector without its output layer, which has a row per depth pair."""
    width = options.encoder_embed_dim or DEFAULT_WIDTH
    layer = _layer(width, options.encoder_ffn_embed_dim, [width])
    norm = 2 * width * options.encoder_normalize_before
    return ModelSize(layer, 0, 0, 0, 0, (words + 1) * width + options.encoder_layers * layer + norm)
