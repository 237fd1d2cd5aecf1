"""Weights of the depth pairs in the training loss (tied_multi, footnote 3)."""

import math
from typing import Dict, Optional

from fairseq_flexdepth.depth.space import DepthPair, DepthSpace


def pair_weights(text: Optional[str], space: DepthSpace, drawn: DepthSpace) -> Dict[DepthPair, float]:
    """The weight of every drawn pair; they sum to 1.

    Args:
        text: ``--depth-weights``: a row for each encoder depth of *space*, separated by ``;``, with a weight for
            each decoder depth, separated by ``,``. ``None`` weighs all pairs alike.
        space: the depth space that the weights are written for.
        drawn: the pairs in use, a sub-space of *space*.

    Raises:
        ValueError: the shape is not that of *space*, or a weight is not a number, negative, or all drawn are zero.
    """
    if text is None:
        return {pair: 1.0 / len(drawn.pairs) for pair in drawn.pairs}
    weights = parse_depth_weights(text, space)
    total = sum(weights[pair] for pair in drawn.pairs)
    if total == 0:
        raise ValueError(
            f"--depth-weights {text}: all weights of the depths drawn "
            f"(encoder {_join(drawn.encoder)}, decoder {_join(drawn.decoder)}) are zero"
        )
    return {pair: weights[pair] / total for pair in drawn.pairs}


def parse_depth_weights(text: str, space: DepthSpace) -> Dict[DepthPair, float]:
    """The weights as given, one a pair of *space*; see :func:`pair_weights`."""
    shape = (
        f"{len(space.encoder)} rows separated by ';' (encoder depths {_join(space.encoder)}) "
        f"of {len(space.decoder)} weights separated by ',' (decoder depths {_join(space.decoder)})"
    )
    try:
        rows = [[float(cell) for cell in row.split(",")] for row in text.split(";")]
    except ValueError:
        raise ValueError(f"--depth-weights {text}: expected numbers, in {shape}") from None
    if len(rows) != len(space.encoder) or any(len(row) != len(space.decoder) for row in rows):
        raise ValueError(f"--depth-weights {text}: expected {shape}")
    weights = dict(zip(space.pairs, (cell for row in rows for cell in row)))
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
        raise ValueError(f"--depth-weights {text}: expected finite weights of at least 0")
    if sum(weights.values()) == 0:
        raise ValueError(f"--depth-weights {text}: at least one weight must be above 0")
    return weights


def _join(depths: tuple) -> str:
    return ",".join(map(str, depths))
