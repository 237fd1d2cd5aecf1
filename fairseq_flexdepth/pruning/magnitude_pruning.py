"""Magnitude pruning over a whole model: its smallest weights become zero, wherever they are.

One threshold for all matrices, "removing the weights with the lowest absolute values" (Kim & Rush 2016, section 5.2).
"""

from typing import Dict, List, Tuple

import numpy
import torch
from torch import Tensor

from fairseq_flexdepth.compat import FAST_PATH_NAMES

PADDING_ROW = 1  # fairseq's dictionaries all begin with bos, pad, eos, unk


def trained_tensors(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """What of a model's ``state_dict`` is trained, each tensor under the first of its names."""
    first_names: Dict[Tuple, str] = {}
    for name, tensor in state.items():
        *owner, leaf = name.split(".")
        is_layers_copy = leaf in FAST_PATH_NAMES and bool(owner) and owner[-1].isdigit()
        if tensor.is_floating_point() and not is_layers_copy and leaf not in ("_float_tensor", "version"):
            first_names.setdefault(_identity(tensor), name)
    return {name: state[name] for name in first_names.values()}


def _identity(tensor: Tensor) -> Tuple:
    # Not id(): a state_dict holds a tied parameter as several tensors over the same memory.
    return tensor.data_ptr(), tensor.shape


def prunable_weights(state: Dict[str, Tensor]) -> List[Tensor]:
    """Views of all weights that may be pruned: of matrices and embeddings, without the embeddings' padding row.

    Norms, biases and Admin's scales are vectors, which are few and matter. A tensor with several names is
    pruned once, and is an embedding if one of its names says so.
    """
    embeddings = {_identity(tensor) for name, tensor in state.items() if _is_embedding(name)}
    views: List[Tensor] = []
    for tensor in trained_tensors(state).values():
        if tensor.dim() < 2:
            continue
        if _identity(tensor) in embeddings and len(tensor) > PADDING_ROW:
            views += [tensor[:PADDING_ROW], tensor[PADDING_ROW + 1 :]]
        else:
            views.append(tensor)
    return views


def _is_embedding(name: str) -> bool:
    return name.endswith((".embed_tokens.weight", ".embed_positions.weight", ".embed_tokens.embeddings.0.0.weight"))


def pruned_number(weights: List[Tensor], fraction: float) -> int:
    """How many of the *weights* this fraction is."""
    return round(fraction * sum(weight.numel() for weight in weights))


@torch.no_grad()
def zero_smallest(weights: List[Tensor], number: int) -> None:
    """Zero in place exactly the *number* weights with the smallest absolute values of all; of equal ones the first.

    Besides the model this takes 4 bytes a weight: the magnitudes, which are partitioned where they are.
    """
    if number == 0:
        return
    magnitudes = numpy.empty(sum(weight.numel() for weight in weights), dtype=numpy.float32)
    start = 0
    for weight in weights:
        magnitudes[start : start + weight.numel()] = _magnitudes(weight).numpy()
        start += weight.numel()
    magnitudes.partition(number - 1)
    threshold = float(magnitudes[number - 1])
    ties = number - int(numpy.count_nonzero(magnitudes[:number] < threshold))
    for weight in weights:
        own = _magnitudes(weight)
        goes = own < threshold
        if ties:
            equal = (own == threshold).nonzero()[:ties, 0]
            goes[equal] = True
            ties -= len(equal)
        weight.masked_fill_(goes.view(weight.shape), 0)


def _magnitudes(weight: Tensor) -> Tensor:
    return weight.detach().abs().float().reshape(-1)
