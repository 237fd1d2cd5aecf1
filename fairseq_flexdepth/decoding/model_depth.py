"""Apply ``--enc-layers``, ``--dec-layers`` and ``--subnetworks`` to models, and read the depth of a model."""

from typing import Any, Iterable, List, Optional, Sequence, cast

from fairseq_flexdepth.depth.supported_depths import DepthPair, DepthSpace
from fairseq_flexdepth.protocols import EncoderDecoder, FlexibleModel

# The tasks whose models decode at a chosen depth.
TASKS = ("translation", "translation_flexdepth")
LANGUAGE_MODEL_TASKS = ("language_modeling", "language_modeling_flexdepth")
# The tasks of translation with language tags.
TAGGED_TASKS = ("multilingual_translation", "translation_from_pretrained_bart", "translation_multi_simple_epoch")
SPEECH_TASK = "speech_to_text"  # only sweep decodes it


def apply_depth(
    model: EncoderDecoder,
    encoder_depth: Optional[int],
    decoder_depth: Optional[int],
    subnetworks: Optional[str] = None,
) -> None:
    """Set the depth pair of *model* and the strategy for which layers run; without any option, change nothing.

    Args:
        model: any model; one without depths is allowed where no option is given.
        encoder_depth: ``--enc-layers``; the deepest where only the decoder's is given.
        decoder_depth: ``--dec-layers``; the deepest where only the encoder's is given.
        subnetworks: ``--subnetworks``, the strategy that chooses the layers of a depth.

    Raises:
        ValueError: the model has no depths, or does not support this depth or strategy.
    """
    asked = {"--enc-layers": encoder_depth, "--dec-layers": decoder_depth, "--subnetworks": subnetworks}
    given = [f"{option} {value}" for option, value in asked.items() if value is not None]
    if not given:
        return
    if not hasattr(model, "set_depth"):
        arch = "tied_multi_transformer" if hasattr(model, "encoder") else "tied_multi_transformer_lm"
        raise ValueError(
            f"{' '.join(given)}: the checkpoint's {type(model).__name__} always runs all its layers; "
            f"train with --arch {arch} to choose the depth, or leave the option out"
        )
    flexible = cast(FlexibleModel, model)
    if subnetworks is not None:
        flexible.use_subnetworks(subnetworks)
    flexible.set_depth(encoder_depth, decoder_depth)


def describe_depth(models: Sequence[EncoderDecoder]) -> Optional[str]:
    """The depths that *models* decode at, in words for the log; ``None`` where no model has depths."""
    described = []
    for model in models:
        if hasattr(model, "set_depth"):
            flexible = cast(FlexibleModel, model)
            n, m = current_depth(flexible)
            encoder = f"{n} of {len(model.encoder.layers)} encoder layers, " if n else ""
            strategy = "" if flexible.strategy == "head" else f" ({flexible.strategy})"
            described.append(f"{encoder}{m} of {len(model.decoder.layers)} decoder layers{strategy}")
    return "; ".join(dict.fromkeys(described)) or None


def common_pairs(models: Iterable[EncoderDecoder]) -> List[DepthPair]:
    """The depth pairs that all *models* support; a model without depths has one pair, its numbers of layers."""
    spaces = [depth_space(model).pairs for model in models]
    return [pair for pair in spaces[0] if all(pair in space for space in spaces)]


def depth_space(model: EncoderDecoder) -> DepthSpace:
    """The depths that *model* supports; of a model without depths, its numbers of layers, 0 without an encoder."""
    if hasattr(model, "depth_space"):
        return model.depth_space
    return DepthSpace((_layers(getattr(model, "encoder", None)),), (_layers(model.decoder),))


def _layers(side: Any) -> int:
    """The number of layers of an encoder or decoder of fairseq; 0 of a convolutional one, which does not count them."""
    for name in ("layers", "transformer_layers"):  # those of a speech encoder have the latter name
        if hasattr(side, name):
            return len(getattr(side, name))
    return getattr(side, "num_layers", 0)  # an LSTM


def current_depth(model: FlexibleModel) -> DepthPair:
    """The depth pair that *model* runs now."""
    return model.chosen_depth or model.depth_space.deepest
