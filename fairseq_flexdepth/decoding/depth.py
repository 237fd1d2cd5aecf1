"""Applying ``--enc-layers``, ``--dec-layers`` and ``--subnetworks`` to models."""

from typing import Any, Iterable, List, Optional, Sequence

from fairseq_flexdepth.depth.space import DepthPair, DepthSpace

# The tasks whose models decode at a depth.
TASKS = ("translation", "translation_flexdepth")


def choose_depth(
    model: Any, encoder_depth: Optional[int], decoder_depth: Optional[int], subnetworks: Optional[str] = None
) -> None:
    """Set the depth of *model*, and which layers run at a depth; with all left out any model will do.

    Raises:
        ValueError: the model supports no depths, or not these.
    """
    asked = {"--enc-layers": encoder_depth, "--dec-layers": decoder_depth, "--subnetworks": subnetworks}
    given = [f"{option} {value}" for option, value in asked.items() if value is not None]
    if not given:
        return
    if not hasattr(model, "set_depth"):
        raise ValueError(
            f"{' '.join(given)}: the checkpoint's {type(model).__name__} always runs all its layers; "
            "train with --arch tied_multi_transformer to choose the depth, or leave the option out"
        )
    if subnetworks is not None:
        model.use_subnetworks(subnetworks)
    model.set_depth(encoder_depth, decoder_depth)


def describe_depth(models: Sequence[Any]) -> Optional[str]:
    """Which depth decodes, in words; ``None`` where no model has depths."""
    described = []
    for model in models:
        if hasattr(model, "set_depth"):
            n, m = current_depth(model)
            layers = len(model.encoder.layers), len(model.decoder.layers)
            strategy = "" if model.strategy == "head" else f" ({model.strategy})"
            described.append(f"{n} of {layers[0]} encoder layers, {m} of {layers[1]} decoder layers{strategy}")
    return "; ".join(dict.fromkeys(described)) or None


def common_pairs(models: Iterable[Any]) -> List[DepthPair]:
    """The depth pairs that all *models* can run; a model without depths has one."""
    spaces = [depth_space(model).pairs for model in models]
    return [pair for pair in spaces[0] if all(pair in space for space in spaces)]


def depth_space(model: Any) -> DepthSpace:
    """The depths that *model* supports; without a choice, those that it has."""
    if hasattr(model, "depth_space"):
        return model.depth_space
    # fairseq's LSTM encoder has no list of layers, its convolutional ones count theirs otherwise: 0.
    n, m = (
        len(getattr(side, "layers", ())) or getattr(side, "num_layers", 0) for side in (model.encoder, model.decoder)
    )
    return DepthSpace((n,), (m,))


def current_depth(model: Any) -> DepthPair:
    """The depth pair that *model* runs at."""
    return model.chosen_depth or model.depth_space.deepest
