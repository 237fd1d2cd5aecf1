"""The model that a task has built: criterions look at it before any data is read, in every task of fairseq."""

from functools import wraps
from typing import Any, MutableMapping
from weakref import ReferenceType, WeakKeyDictionary, ref

from fairseq import models
from fairseq.tasks import FairseqTask

_BUILT: "MutableMapping[FairseqTask, ReferenceType[Any]]" = WeakKeyDictionary()


def note_built_models() -> None:
    """Let ``fairseq.models.build_model``, which all tasks call, note each model with its task."""
    stock = models.build_model
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def build_model(cfg: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
        model = stock(cfg, task, *args, **kwargs)
        if isinstance(task, FairseqTask):
            _BUILT[task] = ref(model)
        return model

    models.build_model = build_model


def built_model(task: Any) -> Any:
    """The latest model of *task*; ``None`` if it has built none."""
    noted = _BUILT.get(task) if isinstance(task, FairseqTask) else None
    return None if noted is None else noted()


def build_aside(cfg: Any, task: Any) -> Any:
    """A model that is not the one that *task* trains, such as a teacher."""
    return getattr(models.build_model, "__wrapped__", models.build_model)(cfg, task)
