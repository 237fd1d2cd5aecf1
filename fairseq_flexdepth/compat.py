"""The one file that knows how the supported stacks differ.

Stack A is Python 3.11+, fairseq-fixed 0.12.3.1 and a recent torch; stack B is Python 3.8–3.10, fairseq 0.12.2 and
torch 1.12.
"""

import importlib
import os
import sys
from contextlib import contextmanager
from functools import wraps
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import numpy
import torch
from fairseq import criterions, models, registry, tasks
from fairseq.data import data_utils
from hydra.core.config_store import ConfigStore
from torch import nn

# Parameters of 0.12.2's encoder layers, read by its inference fast path alone and never trained.
FAST_PATH_NAMES = (
    "in_proj_weight",
    "in_proj_bias",
    "out_proj_weight",
    "out_proj_bias",
    "fc1_weight",
    "fc1_bias",
    "fc2_weight",
    "fc2_bias",
)


def loads_weights_only() -> bool:
    """Whether torch's loader refuses all but weights and the classes that it was told: torch 2.6 and newer."""
    switched_off = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "") in ("1", "y", "yes", "true")
    return bool(torch.__version__ >= (2, 6)) and not switched_off


def allow_classes(classes: Sequence[type], replaced: Sequence[Any]) -> None:
    """Let torch's safe loader read objects of *classes*.

    Args:
        classes: harmless ones.
        replaced: functions and the names under which they take another's place, which torch before 2.6 cannot have.
    """
    if hasattr(torch.serialization, "add_safe_globals"):
        torch.serialization.add_safe_globals(list(classes))
    if torch.__version__ >= (2, 6):
        torch.serialization.add_safe_globals(list(replaced))


def read_arrays_of_numpy_2() -> None:
    """Let NumPy 1.23 read arrays that NumPy 2 pickled: it renamed the module that they name."""
    try:
        importlib.import_module("numpy._core.multiarray")
    except ImportError:
        for part in ("", ".multiarray"):
            sys.modules[f"numpy._core{part}"] = importlib.import_module(f"numpy.core{part}")


def keep_last_batch() -> None:
    """Make fairseq-fixed keep the last batch of a data set, as 0.12.2 does.

    It drops the sentences left over when ``--required-batch-size-multiple`` (8 by default) does not divide their
    number: up to 7 sentences of a test set would never be translated, and a split of fewer be empty.
    """
    stock = data_utils.batch_by_size
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def batch_by_size(indices: Any, *args: Any, **kwargs: Any) -> List[Any]:
        if not isinstance(indices, numpy.ndarray):
            indices = numpy.fromiter(indices, dtype=numpy.int64, count=-1)
        batches = list(stock(indices, *args, **kwargs)) if len(indices) else []
        kept = sum(map(len, batches))
        return batches + [indices[kept:]] if kept < len(indices) else batches

    data_utils.batch_by_size = batch_by_size


def avoid_encoder_fast_path(layers: Iterable[nn.Module]) -> None:
    """Keep 0.12.2's encoder layers from their inference fast path: it ignores overridden methods and swaps axes."""
    for layer in layers:
        layer.can_use_fastpath = False


def disable_encoder_fast_path(layers: Iterable[nn.Module]) -> None:
    """Keep 0.12.2's encoder layers from their inference fast path, and its weights from being trained.

    Its copies of the weights become buffers: the ``state_dict`` keeps fairseq's names, but they no longer count as
    parameters, which no loss reaches and which torch's DDP therefore waits for in vain.
    """
    layers = list(layers)
    avoid_encoder_fast_path(layers)
    for layer in layers:
        for name in FAST_PATH_NAMES:
            copy = layer._parameters.pop(name, None)
            if copy is not None:
                layer.register_buffer(name, copy.data)


def drop_fast_path_keys(state_dict: Dict[str, Any], prefix: str, layer: nn.Module) -> None:
    """Remove what a 0.12.2 checkpoint holds of *layer*, named *prefix*, and this stack's layer has no place for."""
    for name in FAST_PATH_NAMES:
        if not hasattr(layer, name):
            state_dict.pop(f"{prefix}.{name}", None)


def add_positions_key(state_dict: Dict[str, Any], prefix: str, positions: nn.Module) -> None:
    """Fill in what 0.12.2's sinusoidal *positions*, named *prefix*, save of themselves and fairseq-fixed's do not."""
    buffer = getattr(positions, "_float_tensor", None)
    if buffer is not None and "_float_tensor" in positions.state_dict():
        state_dict.setdefault(f"{prefix}._float_tensor", buffer)


@contextmanager
def explicit_autocast() -> Iterator[Optional[torch.dtype]]:
    """Switch autocast (``--amp``) off, yielding the type it would cast to; ``None`` where it is off already."""
    if not torch.is_autocast_enabled():
        yield None
        return
    newer = hasattr(torch, "get_autocast_dtype")
    half = torch.get_autocast_dtype("cuda") if newer else torch.get_autocast_gpu_dtype()
    with torch.autocast("cuda", enabled=False):
        yield half


def _registered_or(existing: Optional[type], register: Callable) -> Callable:
    # 0.12.2 raises at a second registration; a package that is imported twice keeps its first classes.
    return register if existing is None else lambda _: existing


def register_model(name: str, dataclass: Optional[type] = None) -> Callable:
    """fairseq's ``register_model``, safe to repeat."""
    return _registered_or(models.MODEL_REGISTRY.get(name), models.register_model(name, dataclass=dataclass))


def register_architecture(model: str, name: str) -> Callable:
    """fairseq's ``register_model_architecture``, safe to repeat."""
    return _registered_or(
        models.ARCH_CONFIG_REGISTRY.get(name), models.register_model_architecture(model, name)
    )


def register_own_architecture(model: str, architecture: Callable) -> None:
    """Fill the preset that has the model's own name: fairseq registers one that leaves every option at its default."""
    if getattr(models.ARCH_CONFIG_REGISTRY[model], "__module__", None) == "fairseq.models":
        models.ARCH_CONFIG_REGISTRY[model] = architecture


def register_criterion(name: str, dataclass: type) -> Callable:
    """fairseq's ``register_criterion``, safe to repeat."""
    existing = registry.REGISTRIES["criterion"]["registry"].get(name)
    return _registered_or(existing, criterions.register_criterion(name, dataclass=dataclass))


def register_task(name: str, dataclass: type) -> Callable:
    """fairseq's ``register_task``, safe to repeat."""
    return _registered_or(tasks.TASK_REGISTRY.get(name), tasks.register_task(name, dataclass=dataclass))


def replace_task(name: str, task: type, dataclass: Callable[[], Any]) -> None:
    """Put *task*, an extension of the registered task *name*, in that task's place.

    ``fairseq-generate`` takes ``--task translation`` where none is named, so this is how options reach it
    without ``--task``.
    """
    tasks.TASK_REGISTRY[name] = task
    tasks.TASK_DATACLASS_REGISTRY[name] = dataclass
    node = dataclass()
    node._name = name
    ConfigStore.instance().store(name=name, group="task", node=node, provider="fairseq")
