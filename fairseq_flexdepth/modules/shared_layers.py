"""Layer sharing by tied parameters.

Every position keeps a layer object of its own, and with it its own decoding cache and dropout; only the parameters are
the same. fairseq's attention keys its cache by object, so that one object at two positions would overwrite it.
"""

from functools import partial
from typing import Any, Dict, Tuple

from torch import nn

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.depth.sharing import Assignment, first_positions
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX


def share_parameters(layers: nn.ModuleList, assignment: Assignment) -> None:
    """Give every position of *layers* the parameters of the first position that uses the same unique layer.

    Admin's residual scales stay a position's own. The ``state_dict`` holds each unique layer once, under the name of
    its first position, and loads back into all.

    Args:
        layers: a fairseq stack of equal layers.
        assignment: the unique layer of every position.

    Loading raises:
        ValueError: the state gives positions that share a layer different weights.
    """
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
    for name, parameter in source.named_parameters():
        if not name.endswith(SCALE_SUFFIX):
            owner, _, leaf = name.rpartition(".")
            setattr(copy.get_submodule(owner), leaf, parameter)


def _drop_copies(
    copies: Tuple[int, ...], layers: nn.Module, state_dict: Dict[str, Any], prefix: str, local_metadata: Any
) -> None:
    for key in [key for key in state_dict if key.startswith(prefix)]:
        index, _, name = key[len(prefix) :].partition(".")
        is_copy = int(index) in copies and not name.endswith(SCALE_SUFFIX)
        # 0.12.2's inference copies of the weights are made again on loading.
        if is_copy or name in FAST_PATH_NAMES:
            del state_dict[key]


def _restore_copies(copies: Dict[int, int], state_dict: Dict[str, Any], prefix: str, *_: Any) -> None:
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
