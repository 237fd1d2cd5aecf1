"""Convert one depth of a model to CTranslate2, with CTranslate2's own converter for fairseq's models.

The converter refuses unsupported options one at a time, and ignores some. They are looked for first, so that the error
message lists all of them.
"""

import json
import os
import tempfile
from typing import Any, Dict, List, Optional

import numpy
import torch
from ctranslate2.converters import FairseqConverter

from fairseq_flexdepth.export.language_model import unsupported_by_ctranslate2
from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.export.stock_checkpoint import StockModel, stock_options
from fairseq_flexdepth.export.unsupported_options import unequal_sides, unsupported_options

RUNTIME = "CTranslate2"
ACTIVATIONS = ("relu", "gelu", "gelu_accurate", "gelu_fast", "swish")
# A bias for the padding symbol, within the range of half precision. fairseq's beam search never writes this symbol;
# CTranslate2 writes any symbol with the best score.
NEVER = -1e4


def unsupported(options: Dict[str, Any]) -> List[str]:
    """The options of a stock model that CTranslate2 does not support, each with the reason."""
    if "encoder_layers" not in options:
        return unsupported_by_ctranslate2(options, ACTIVATIONS)
    reasons = unsupported_options(options, RUNTIME) + unequal_sides(options, "attention_heads", RUNTIME)
    if options["activation_fn"] not in ACTIVATIONS:
        reasons.append(f"--activation-fn {options['activation_fn']}: {RUNTIME} has {', '.join(ACTIVATIONS)}")
    return reasons


class _Converter(FairseqConverter):
    """CTranslate2's converter, with a bias that keeps the padding symbol out of translations."""

    def __init__(self, path: str, task: Any, data: str) -> None:
        super().__init__(path, data)
        self._padding = task.target_dictionary.pad()

    def _load(self) -> Any:
        spec = super()._load()
        projection = spec.decoder.projection
        projection.bias = numpy.zeros(projection.weight.shape[0], dtype=numpy.float32)
        projection.bias[self._padding] = NEVER
        return spec


def convert(
    loaded: LoadedModel, stock: StockModel, folder: str, quantization: Optional[str], limits: Dict[str, int]
) -> None:
    """Write the model in CTranslate2's format to a new folder.

    Args:
        loaded: the loaded checkpoint; gives the task and the dictionaries.
        stock: the weights and options of the depth to convert.
        folder: a folder that does not exist.
        quantization: the type of the weights, as in CTranslate2's converters (default: as saved).
        limits: entries to add to the folder's ``config.json``; CTranslate2 ignores names that it does not know.
    """
    with tempfile.TemporaryDirectory() as temporary:
        # The converter reads a file with the options in a Namespace, which this process allows the safe loader to read.
        path = os.path.join(temporary, "stock.pt")
        history = [{"optimizer_name": "adam", "lr_scheduler_state": {}, "num_updates": loaded.updates}]
        options = stock_options(loaded, stock)
        checkpoint = {"args": options, "model": stock.state, "optimizer_history": history}
        torch.save({**checkpoint, "extra_state": {}}, path)
        _Converter(path, loaded.task, options.data).convert(folder, quantization=quantization)
    config = os.path.join(folder, "config.json")
    with open(config, encoding="utf-8") as file:
        known = json.load(file)
    with open(config, "w", encoding="utf-8") as file:
        file.write(json.dumps({**known, **limits}, indent=2) + "\n")
