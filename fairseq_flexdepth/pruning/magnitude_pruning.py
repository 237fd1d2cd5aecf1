"""Magnitude pruning: set the smallest weights of a model to zero.

All matrices share one threshold: "removing the weights with the lowest absolute values" ([kim2016] §5.2; class-blind in
[see2016]). Pruning skips

- vectors: layer norms, biases, Admin's residual scales;
- the padding row of embeddings, which is zero by design;
- tensors that are not trained: integers, versions, fairseq 0.12.2's copies of the weights for its fast path;
- further names of a shared tensor: its weights are pruned and counted once.
"""

from typing import Dict, List, Tuple

import numpy
import torch
from torch import Tensor

from fairseq_flexdepth.compat import FAST_PATH_NAMES, UNTRAINED_BUFFERS

PADDING_ROW = 1  # all dictionaries of fairseq begin with bos, pad, eos, unk
Identity = Tuple[int, torch.Size]  # address and shape


def trained_tensors(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """The trained tensors of a model's ``state_dict``, each once, under the first of its names.

    Args:
        state: the model's ``state_dict``, by name.
    """
    first_names: Dict[Identity, str] = {}
    for name, tensor in state.items():
        *owner, leaf = name.split(".")
        is_layers_copy = leaf in FAST_PATH_NAMES and bool(owner) and owner[-1].isdigit()
        if tensor.is_floating_point() and not is_layers_copy and leaf not in UNTRAINED_BUFFERS:
            first_names.setdefault(_identity(tensor), name)
    return {name: state[name] for name in first_names.values()}


def _identity(tensor: Tensor) -> Identity:
    """A key that all names of a shared tensor have in common; ``id()`` would differ: each name has its own object."""
    return tensor.data_ptr(), tensor.shape


def prunable_weights(state: Dict[str, Tensor]) -> List[Tensor]:
    """Views of all weights that may be pruned: matrices, and embeddings without their padding row.

    The module's docstring lists what is skipped. A tensor with several names is an embedding if one of them is the name
    of an embedding.

    Args:
        state: the model's ``state_dict``, by name.
    """
    embeddings = {_identity(tensor) for name, tensor in state.items() if _is_embedding(name)}
    views: List[Tensor] = []
    for tensor in trained_tensors(state).values():
        if tensor.dim() < 2:  # norms, biases and residual scales: few weights, and the model depends on them
            continue
        if _identity(tensor) in embeddings and len(tensor) > PADDING_ROW:
            views += [tensor[:PADDING_ROW], tensor[PADDING_ROW + 1 :]]  # words × channels
        else:
            views.append(tensor)
    return views


def _is_embedding(name: str) -> bool:
    return name.endswith((".embed_tokens.weight", ".embed_positions.weight", ".embed_tokens.embeddings.0.0.weight"))


def pruned_number(weights: List[Tensor], fraction: float) -> int:
    """The number of *weights* to prune, *fraction* (0 to 1) of all."""
    return round(fraction * sum(weight.numel() for weight in weights))


@torch.no_grad()
def zero_smallest(weights: List[Tensor], number: int) -> None:
    """Set exactly *number* weights with the smallest absolute values to zero, in place; the first of equal values.

    It takes 4 bytes per weight of memory: the absolute values, which are partitioned in place.

    Args:
        weights: tensors of any shapes.
        number: 0 to the number of all weights.
    """
    if number == 0:
        return
    magnitudes = numpy.empty(sum(weight.numel() for weight in weights), dtype=numpy.float32)
    start = 0
    for weight in weights:
        magnitudes[start : start + weight.numel()] = _magnitudes(weight).numpy()
        start += weight.numel()
    magnitudes.partition(number - 1)  # the *number* smallest come first, in any order
    threshold = float(magnitudes[number - 1])
    # How many of the weights that equal the threshold are zeroed.
    ties = number - int(numpy.count_nonzero(magnitudes[:number] < threshold))
    for weight in weights:
        own = _magnitudes(weight)  # elements
        pruned = own < threshold
        if ties:
            equal = (own == threshold).nonzero()[:ties, 0]
            pruned[equal] = True
            ties -= len(equal)
        weight.masked_fill_(pruned.view(weight.shape), 0)


def _magnitudes(weight: Tensor) -> Tensor:
    """Absolute values in single precision, as a vector."""
    return weight.detach().abs().float().reshape(-1)
