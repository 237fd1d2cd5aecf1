"""The model that a task has built.

Criterions check it when they are built, before any data is read, in every task of fairseq.
"""

from functools import wraps
from typing import Any, MutableMapping
from weakref import ReferenceType, WeakKeyDictionary, ref

from fairseq import models
from fairseq.tasks import FairseqTask

# Weak references on both sides: this table must not keep a task or a model in memory.
_BUILT: "MutableMapping[FairseqTask, ReferenceType[Any]]" = WeakKeyDictionary()


def note_built_models() -> None:
    """Wrap ``fairseq.models.build_model``, which all tasks call, so that it notes each task's model. Safe to repeat."""
    stock = models.build_model
    if hasattr(stock, "__wrapped__"):  # wrapped already
        return

    @wraps(stock)
    def build_model(cfg: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
        model = stock(cfg, task, *args, **kwargs)
        if isinstance(task, FairseqTask):  # a stand-in for a task may not be hashable
            _BUILT[task] = ref(model)
        return model

    models.build_model = build_model


def built_model(task: Any) -> Any:
    """The latest model that *task* has built; ``None`` if there is none."""
    noted = _BUILT.get(task) if isinstance(task, FairseqTask) else None
    return None if noted is None else noted()


def build_aside(cfg: Any, task: FairseqTask) -> Any:
    """Build a model, such as a teacher, without noting it as the model that *task* trains."""
    return getattr(models.build_model, "__wrapped__", models.build_model)(cfg, task)
