"""The tensors of ``model.safetensors``: fairseq's, under the names of ``transformers``."""

from typing import Any, Dict

import torch
from torch import Tensor, nn

from fairseq_flexdepth.export.huggingface.families import Family
from fairseq_flexdepth.export.stock_checkpoint import StockModel, position_tables

SIDES = ("encoder", "decoder")
EMBEDDINGS = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")
POSITIONS = tuple(f"{side}.embed_positions.weight" for side in SIDES)
VERSIONS = tuple(f"{side}.version" for side in SIDES)  # of fairseq's modules
# The bias of a word that is not in the dictionary, within the range of half precision.
NEVER = -1e4


def vocabulary_size(stock: StockModel) -> int:
    """The number of rows of every embedding table: that of the larger dictionary."""
    return max(stock.state[name].size(0) for name in EMBEDDINGS)


def longest_positions(options: Dict[str, Any]) -> int:
    """The number of positions on both sides: that of the longer side."""
    return max(options["max_source_positions"], options["max_target_positions"])


def weights(stock: StockModel, family: Family, model: nn.Module) -> Dict[str, Tensor]:
    """All tensors by their names, each stored once.

    A shared layer is copied to each of its positions. Tied embeddings are written under one name; ``transformers``
    ties them again.

    Args:
        stock: the weights and options of the depth.
        family: the family that holds them.
        model: the whole model, which has the sinusoidal positions.
    """
    renamed = (*EMBEDDINGS, *POSITIONS, *VERSIONS)
    tensors = {f"model.{name}": tensor for name, tensor in stock.state.items() if name not in renamed}
    tensors.update(_embeddings(stock))
    if family.logits_bias:
        tensors["final_logits_bias"] = _logits_bias(stock)
    if family.first_position is not None:
        tensors.update(_positions(stock, family.first_position, model))
    # safetensors refuses tensors that share memory
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def _embeddings(stock: StockModel) -> Dict[str, Tensor]:
    size = vocabulary_size(stock)
    encoder, decoder, projection = (_lengthened(stock.state[name], size) for name in EMBEDDINGS)
    if stock.options["share_all_embeddings"]:
        return {"model.shared.weight": encoder}
    tensors = {f"model.{EMBEDDINGS[0]}": encoder, f"model.{EMBEDDINGS[1]}": decoder}
    if not stock.options["share_decoder_input_output_embed"]:
        tensors["lm_head.weight"] = projection
    return tensors


def _logits_bias(stock: StockModel) -> Tensor:
    """The bias of the logits, 1 × words: words beyond the target dictionary are never written."""
    bias = torch.zeros(1, vocabulary_size(stock))
    bias[:, stock.state[EMBEDDINGS[-1]].size(0) :] = NEVER
    return bias


def _positions(stock: StockModel, first: int, model: nn.Module) -> Dict[str, Tensor]:
    """The position tables of both sides in single precision, as fairseq computes them."""
    sinusoids = position_tables(model)
    size = longest_positions(stock.options) + 2 - first
    tensors = {}
    for side, name in zip(SIDES, POSITIONS):
        table = stock.state.get(name, sinusoids[side]).float()
        tensors[f"model.{name}"] = _lengthened(table[first:], size)
    return tensors


def _lengthened(table: Tensor, rows: int) -> Tensor:
    """The table with rows of zeros up to *rows*."""
    return torch.cat([table, table.new_zeros(rows - table.size(0), table.size(1))])
