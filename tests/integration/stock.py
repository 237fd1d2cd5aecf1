"""Checkpoints of fairseq's own models, with some layers of ours."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Sequence

import torch


def stock_checkpoint(checkpoint: Path, encoder: Sequence[int], decoder: Sequence[int], destination: Path) -> Path:
    """A checkpoint of fairseq's own model with these layers of ours, counted from 1.

    Args:
        checkpoint: a checkpoint of ``tied_multi_transformer`` or ``tied_multi_multilingual_transformer``.
        encoder: the encoder layers.
        decoder: the decoder layers.
        destination: the file to write.
    """
    state = torch.load(str(checkpoint), map_location="cpu")
    model = {}
    for key, value in state["model"].items():
        found = re.match(r"(.*\b(encoder|decoder)\.layers\.)(\d+)(\..*)", key)
        if found is None:
            model[key] = value
            continue
        before, side, index, after = found.groups()
        layers = encoder if side == "encoder" else decoder
        if int(index) + 1 in layers:
            model[f"{before}{list(layers).index(int(index) + 1)}{after}"] = value
    state["model"] = model
    given = state["cfg"]["model"]
    options = vars(given) if isinstance(given, Namespace) else dict(given)
    arch = "multilingual_transformer" if "multilingual" in options.get("arch", "") else "transformer"
    state["cfg"]["model"] = Namespace(
        **{**options, "_name": arch, "arch": arch, "encoder_layers": len(encoder), "decoder_layers": len(decoder)}
    )
    torch.save(state, str(destination))
    return destination
