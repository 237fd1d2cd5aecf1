"""One depth of a model for CTranslate2, by CTranslate2's own converter of fairseq's ``transformer``.

What the converter would refuse one option at a time, or not notice, is looked for first, so that a user sees all of it.
"""

import json
import os
import tempfile
from typing import Any, Dict, List, Optional

import numpy
import torch
from ctranslate2.converters import FairseqConverter

from fairseq_flexdepth.export.stock_checkpoint import LoadedModel, StockModel, stock_options

ACTIVATIONS = ("relu", "gelu", "gelu_accurate", "gelu_fast", "swish")
# What CTranslate2's Transformer has no place for; where its converter does not refuse it, it leaves it out.
WITHOUT_A_PLACE = (
    "no_token_positional_embeddings", "adaptive_softmax_cutoff", "adaptive_input", "no_cross_attention",
    "cross_self_attention", "merge_src_tgt_embed", "quant_noise_pq", "quant_noise_scalar",
    "encoder_xformers_att_config", "decoder_xformers_att_config",
)  # fmt: skip
# fairseq's beam search never takes the padding symbol; CTranslate2 takes whatever scores best.
NEVER = -1e4  # fits into half precision, too


def unsupported_options(options: Dict[str, Any]) -> List[str]:
    """What of a stock model's options CTranslate2 would not compute, or not the same."""
    reasons = [
        f"{_option(name)}{'' if options[name] is True else f' {options[name]}'}: not in CTranslate2"
        for name in WITHOUT_A_PLACE
        if options.get(name)
    ]
    if options["activation_fn"] not in ACTIVATIONS:
        reasons.append(f"--activation-fn {options['activation_fn']}: CTranslate2 has {', '.join(ACTIVATIONS)}")
    for name in ("normalize_before", "attention_heads"):
        both = [options[f"{side}_{name}"] for side in ("encoder", "decoder")]
        if both[0] != both[1]:
            reasons.append(
                f"{_option(f'encoder_{name}')} {both[0]}, {_option(f'decoder_{name}')} {both[1]}: CTranslate2 needs "
                "the same on both sides"
            )
    for name in ("decoder_input_dim", "decoder_output_dim"):
        needed = options["decoder_embed_dim"]
        if options[name] != needed:
            reasons.append(f"{_option(name)} {options[name]}: CTranslate2 needs that of --decoder-embed-dim, {needed}")
    if options["no_decoder_final_norm"] and options["decoder_normalize_before"]:
        reasons.append("--no-decoder-final-norm: CTranslate2 ends a Pre-LN decoder with a layer norm")
    return reasons


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


class _Converter(FairseqConverter):
    """CTranslate2's converter, and a bias that keeps the padding symbol out of translations."""

    def __init__(self, path: str, task: Any) -> None:
        super().__init__(path, task.cfg.data)
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
    """Write the model and its vocabularies to the new directory *folder*, and *limits* into its ``config.json``.

    CTranslate2 passes over what it does not know there.
    """
    with tempfile.TemporaryDirectory() as temporary:
        # The converter reads a file and wants the options in a Namespace, which our own process lets it load.
        path = os.path.join(temporary, "stock.pt")
        history = [{"optimizer_name": "adam", "lr_scheduler_state": {}, "num_updates": loaded.updates}]
        checkpoint = {"args": stock_options(loaded, stock), "model": stock.state, "optimizer_history": history}
        torch.save({**checkpoint, "extra_state": {}}, path)
        _Converter(path, loaded.task).convert(folder, quantization=quantization)
    config = os.path.join(folder, "config.json")
    with open(config, encoding="utf-8") as file:
        known = json.load(file)
    with open(config, "w", encoding="utf-8") as file:
        file.write(json.dumps({**known, **limits}, indent=2) + "\n")
