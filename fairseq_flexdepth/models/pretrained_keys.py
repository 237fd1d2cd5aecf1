"""Fit the weights of stock checkpoints, BART's and mBART's among them, to our Transformer.

fairseq's ``transformer`` and ``bart`` name all that a translation needs as our model does.
"""

import logging
from typing import Any, Dict

from fairseq.models import FairseqEncoderDecoderModel

logger = logging.getLogger(__name__)

_HEADS = "classification_heads."  # of BART's sentence classification


def fit_keys(model: FairseqEncoderDecoderModel, state_dict: Dict[str, Any]) -> None:
    """Leave out the weights of a checkpoint that *model* has no use for.

    These are BART's classification heads, and learned positions beyond the model's longest sentence.

    Args:
        model: the model that loads the checkpoint.
        state_dict: the weights of the checkpoint; changed in place.
    """
    heads = [key for key in state_dict if key.startswith(_HEADS)]
    for key in heads:
        del state_dict[key]
    if heads:
        logger.info("the checkpoint's classification heads are left out: %s", ", ".join(heads))
    for side, text in (("encoder", "source"), ("decoder", "target")):
        key, own = f"{side}.embed_positions.weight", getattr(getattr(model, side).embed_positions, "weight", None)
        if own is not None and key in state_dict and len(state_dict[key]) > len(own):
            logger.info(
                "--max-%s-positions: of the checkpoint's %d rows of learned positions the first %d are kept",
                text, len(state_dict[key]), len(own),
            )  # fmt: skip
            state_dict[key] = state_dict[key][: len(own)]  # rows × channels
