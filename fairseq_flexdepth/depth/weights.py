"""Weights of the depth pairs in the training loss ([dabre2020] footnote 3)."""

import math
from typing import Dict, Optional, Sequence

from fairseq_flexdepth.depth.supported_depths import NO_ENCODER, DepthPair, DepthSpace, written_pair


def pair_weights(text: Optional[str], space: DepthSpace, drawn: DepthSpace) -> Dict[DepthPair, float]:
    """The weights of the depth pairs of one update, which sum to 1.

    Args:
        text: ``--depth-weights``: one row per encoder depth of *space*, separated by ``;``, with one weight per
            decoder depth, separated by ``,``. ``None`` gives all pairs the same weight.
        space: the depth space that the weights are written for.
        drawn: the depths sampled for the update, a sub-space of *space*.

    Raises:
        ValueError: *text* does not have the shape of *space*, a weight is not a finite number of at least 0, or the
            weights of all sampled pairs are 0.
    """
    if text is None:
        return {pair: 1.0 / len(drawn.pairs) for pair in drawn.pairs}
    weights = parse_depth_weights(text, space)
    total = sum(weights[pair] for pair in drawn.pairs)
    if total == 0:
        raise ValueError(
            f"--depth-weights {text}: all weights of the depths drawn ({', '.join(map(written_pair, drawn.pairs))}) "
            "are zero"
        )
    return {pair: weights[pair] / total for pair in drawn.pairs}


def parse_depth_weights(text: str, space: DepthSpace) -> Dict[DepthPair, float]:
    """Parse ``--depth-weights``: one weight per depth pair of *space*, as given.

    For the arguments and errors see :func:`pair_weights`.
    """
    shape = f"{len(space.decoder)} weights separated by ',' (decoder depths {_join(space.decoder)})"
    if space.encoder != NO_ENCODER:
        rows_of = f"{len(space.encoder)} rows separated by ';' (encoder depths {_join(space.encoder)})"
        shape = f"{rows_of} of {shape}"
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


def _join(depths: Sequence[int]) -> str:
    return ",".join(map(str, depths))
