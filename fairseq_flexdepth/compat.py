"""Code that depends on the stack: the two supported versions of Python, fairseq, torch and NumPy.

Stack A is Python 3.11 or newer, fairseq-fixed 0.12.3.1 and torch 2.13; stack B is Python 3.8 to 3.10, fairseq 0.12.2
and torch 1.12.

To support a third stack, change these files:

- this file: whatever its fairseq, torch or NumPy does differently;
- ``files/safe_loader.py``: the classes that its checkpoints hold;
- ``cli/stack_versions.py``: the versions that ``fairseq-flexdepth doctor`` expects;
- ``setup.py``: its requirements, by Python version;
- ``constraints/stack-c.txt``: its exact versions;
- ``Makefile`` (``STACK``) and ``.ci/run`` (``stack_of``, ``find_python``): the Pythons that select it;
- ``tests/compatibility/``: checkpoints that it wrote; ``make.py`` adds them.

A few lines elsewhere are written so that they hold on both stacks, such as ``except (RuntimeError, KeyError)`` where a
model is loaded, and say so in a comment: ``git grep 0.12.2`` finds them.
"""

import importlib
import os
import sys
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import numpy
import torch
from fairseq import criterions, models, registry, tasks
from fairseq.data import data_utils, token_block_dataset
from hydra.core.config_store import ConfigStore
from torch import nn

# Entries of a state_dict that are no weights. 0.12.2 never initialises ``_float_tensor``, which may therefore be nan.
UNTRAINED_BUFFERS = ("_float_tensor", "version")

# Parameters of 0.12.2's encoder layers: copies of the weights that only its inference fast path reads; never trained.
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
    """Whether torch loads checkpoints as weights only (2.6 and newer) and the environment does not switch that off."""
    switched_off = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "") in ("1", "y", "yes", "true")
    return bool(torch.__version__ >= (2, 6)) and not switched_off


def allow_classes(classes: Sequence[type], replaced: Sequence[Any]) -> None:
    """Let torch's safe loader read objects of *classes*.

    Args:
        classes: classes whose objects do no harm when they are read.
        replaced: pairs of a function and the name in checkpoints that it stands for; torch before 2.6 ignores them.
    """
    if hasattr(torch.serialization, "add_safe_globals"):
        torch.serialization.add_safe_globals(list(classes))
    if torch.__version__ >= (2, 6):
        torch.serialization.add_safe_globals(list(replaced))


def read_arrays_of_numpy_2() -> None:
    """Let NumPy 1.23 read arrays pickled by NumPy 2, which moved ``numpy.core`` to ``numpy._core``."""
    try:
        importlib.import_module("numpy._core.multiarray")
    except ImportError:
        for part in ("", ".multiarray"):
            sys.modules[f"numpy._core{part}"] = importlib.import_module(f"numpy.core{part}")


class _NumPyWithLong:
    """NumPy, with the name ``compat.long`` that NumPy 2 no longer has."""

    compat = SimpleNamespace(long=int)

    def __getattr__(self, name: str) -> Any:
        return getattr(numpy, name)


def split_text_by_sentence() -> None:
    """Let fairseq-fixed split a language model's text at the ends of sentences with NumPy 2.

    ``--sample-break-mode eos``, ``fairseq-interactive`` and the hub interface need it; without this they stop with an
    ``AttributeError``.
    """
    if not hasattr(numpy, "compat"):
        token_block_dataset.np = _NumPyWithLong()


def keep_last_batch() -> None:
    """Make fairseq-fixed keep the last batch of a data set, as 0.12.2 does.

    fairseq-fixed drops the last sentences if ``--required-batch-size-multiple`` (8 by default) does not divide their
    number. Up to 7 sentences of a test set would never be translated; a split of fewer than 8 sentences would be empty.
    """
    stock = data_utils.batch_by_size
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def batch_by_size(indices: Any, *args: Any, **kwargs: Any) -> List[numpy.ndarray]:
        if not isinstance(indices, numpy.ndarray):
            indices = numpy.fromiter(indices, dtype=numpy.int64, count=-1)
        batches = list(stock(indices, *args, **kwargs)) if len(indices) else []
        kept = sum(map(len, batches))
        return batches + [indices[kept:]] if kept < len(indices) else batches

    data_utils.batch_by_size = batch_by_size


def avoid_encoder_fast_path(layers: Iterable[nn.Module]) -> None:
    """Switch off the inference fast path of 0.12.2's encoder layers: it ignores overridden methods and swaps axes."""
    for layer in layers:
        layer.can_use_fastpath = False


def disable_encoder_fast_path(layers: Iterable[nn.Module]) -> None:
    """Switch off the inference fast path of 0.12.2's encoder layers, and turn its copies of the weights into buffers.

    As parameters, the copies would never get a gradient, and torch's DDP would stop at the second update. As buffers
    they keep their names in the ``state_dict``.
    """
    layers = list(layers)
    avoid_encoder_fast_path(layers)
    for layer in layers:
        for name in FAST_PATH_NAMES:
            copy = layer._parameters.pop(name, None)
            if copy is not None:
                layer.register_buffer(name, copy.data)


def drop_fast_path_keys(state_dict: Dict[str, Any], prefix: str, layer: nn.Module) -> None:
    """Remove 0.12.2's fast-path weights from *state_dict* where *layer* has no parameters or buffers for them.

    Args:
        state_dict: the weights of a checkpoint; changed in place.
        prefix: the layer's name in it.
        layer: an encoder layer of this stack.
    """
    for name in FAST_PATH_NAMES:
        if not hasattr(layer, name):
            state_dict.pop(f"{prefix}.{name}", None)


def add_positions_key(state_dict: Dict[str, Any], prefix: str, positions: nn.Module) -> None:
    """Add the buffer of 0.12.2's sinusoidal positions to *state_dict*: a checkpoint of fairseq-fixed lacks it.

    Args:
        state_dict: the weights of a checkpoint; changed in place.
        prefix: the name of the positions in it.
        positions: the positional embeddings of this stack.
    """
    buffer = getattr(positions, "_float_tensor", None)
    if buffer is not None and "_float_tensor" in positions.state_dict():
        state_dict.setdefault(f"{prefix}._float_tensor", buffer)


@contextmanager
def explicit_autocast() -> Iterator[Optional[torch.dtype]]:
    """Switch autocast (``--amp``) off within this context.

    Yields:
        The type that autocast would cast to; ``None`` if it was off already.
    """
    if not torch.is_autocast_enabled():
        yield None
        return
    newer = hasattr(torch, "get_autocast_dtype")
    half = torch.get_autocast_dtype("cuda") if newer else torch.get_autocast_gpu_dtype()
    with torch.autocast("cuda", enabled=False):
        yield half


def _registered_or(existing: Optional[type], register: Callable) -> Callable:
    # 0.12.2 raises at a second registration: a package that is imported twice keeps its first classes.
    return register if existing is None else lambda _: existing


def register_model(name: str, dataclass: Optional[type] = None) -> Callable:
    """fairseq's decorator ``register_model``, made safe to apply twice under one name."""
    return _registered_or(models.MODEL_REGISTRY.get(name), models.register_model(name, dataclass=dataclass))


def register_architecture(model: str, name: str) -> Callable:
    """fairseq's decorator ``register_model_architecture``, made safe to apply twice under one name."""
    return _registered_or(
        models.ARCH_CONFIG_REGISTRY.get(name), models.register_model_architecture(model, name)
    )


def register_own_architecture(model: str, architecture: Callable) -> None:
    """Make *architecture* the preset named after *model*, in place of fairseq's, which sets no option."""
    if getattr(models.ARCH_CONFIG_REGISTRY[model], "__module__", None) == "fairseq.models":
        models.ARCH_CONFIG_REGISTRY[model] = architecture


def register_criterion(name: str, dataclass: type) -> Callable:
    """fairseq's decorator ``register_criterion``, made safe to apply twice under one name."""
    existing = registry.REGISTRIES["criterion"]["registry"].get(name)
    return _registered_or(existing, criterions.register_criterion(name, dataclass=dataclass))


def register_task(name: str, dataclass: type) -> Callable:
    """fairseq's decorator ``register_task``, made safe to apply twice under one name."""
    return _registered_or(tasks.TASK_REGISTRY.get(name), tasks.register_task(name, dataclass=dataclass))


def replace_task(name: str, task: type, dataclass: Optional[Callable[[], Any]] = None) -> None:
    """Register *task* in place of the task *name*, which it extends.

    ``fairseq-generate`` uses ``--task translation`` by default: the options of the task that replaces it are available
    without ``--task``.

    Args:
        name: the name of a registered task.
        task: a subclass of that task.
        dataclass: the class of its options; ``None`` for a task with ``add_args``.
    """
    tasks.TASK_REGISTRY[name] = task
    if dataclass is None:
        return
    tasks.TASK_DATACLASS_REGISTRY[name] = dataclass
    node = dataclass()
    node._name = name
    ConfigStore.instance().store(name=name, group="task", node=node, provider="fairseq")
