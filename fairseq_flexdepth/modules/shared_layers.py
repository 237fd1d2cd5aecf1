"""Layer sharing by tied parameters ([takase2021]; one unique layer for all positions: [dehghani2019]).

Every position keeps its own layer object, and so its own dropout and decoding cache; only the parameters are shared.
fairseq's attention keeps its cache per object: one object at two positions would overwrite it.
"""

from functools import partial
from typing import Any, Dict, Tuple

from torch import Tensor, nn

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.depth.sharing_strategies import Assignment, first_positions
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX


def share_parameters(layers: nn.ModuleList, assignment: Assignment) -> None:
    """Give every position of *layers* the parameters of the first position that uses the same unique layer.

    Admin's residual scales are not shared. The ``state_dict`` holds each unique layer once, under the name of
    its first position; loading it copies the layer to all its positions, and raises ``ValueError`` if the state has
    different weights for two positions that share a layer.

    Args:
        layers: a fairseq stack of equal layers.
        assignment: the unique layer of every position.
    """
    # Index of every position that shares an earlier layer, from 0, with the index of that layer.
    copies = {
        index: first - 1 for index, first in enumerate(first_positions(assignment)) if index != first - 1
    }
    if not copies:
        return
    for index, source in copies.items():
        _tie(layers[source], layers[index])
    layers._register_state_dict_hook(partial(_drop_copies, tuple(copies)))
    layers._register_load_state_dict_pre_hook(partial(_restore_copies, copies))


def _tie(source: nn.Module, copy: nn.Module) -> None:
    """Replace the parameters of the layer *copy* by the parameters of the layer *source*."""
    for name, parameter in source.named_parameters():
        if not name.endswith(SCALE_SUFFIX):
            owner, _, leaf = name.rpartition(".")
            setattr(copy.get_submodule(owner), leaf, parameter)


def _drop_copies(
    copies: Tuple[int, ...], layers: nn.Module, state_dict: Dict[str, Tensor], prefix: str, _: Any
) -> None:
    """Saving hook: leave out the parameters of positions that share an earlier layer."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        index, _, name = key[len(prefix) :].partition(".")
        is_copy = int(index) in copies and not name.endswith(SCALE_SUFFIX)
        # fairseq 0.12.2's copies of the weights for its fast path are made again on loading.
        if is_copy or name in FAST_PATH_NAMES:
            del state_dict[key]


def _restore_copies(copies: Dict[int, int], state_dict: Dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Loading hook: add the parameters of positions that share an earlier layer."""
    for index, source in copies.items():
        start = f"{prefix}{source}."
        for key in [key for key in state_dict if key.startswith(start) and not key.endswith(SCALE_SUFFIX)]:
            copy = f"{prefix}{index}.{key[len(start):]}"
            if copy in state_dict and not state_dict[copy].equal(state_dict[key]):
                raise ValueError(
                    f"--layer-sharing: layers {source + 1} and {index + 1} share their parameters in this model, but "
                    f"the checkpoint has two different {copy}"
                )
            state_dict[copy] = state_dict[key]
