"""Report an option of a wrong type, which YAML files often have, in one line that names the option."""

from functools import wraps
from typing import Any, Callable

from fairseq import models, registry, tasks
from fairseq.dataclass import utils
from omegaconf import OmegaConf
from omegaconf.errors import ValidationError


def guard_types() -> None:
    """Wrap fairseq's ``merge_with_parent``, which checks the types of options, to name an option of a wrong type.

    omegaconf's own error has several lines and no ``--option``. Safe to repeat.
    """
    # These modules imported the function by name, so each has its own reference to replace.
    for module in (utils, registry, models, tasks):
        stock = module.merge_with_parent
        if not hasattr(stock, "__wrapped__"):
            module.merge_with_parent = _guarded(stock)


def _guarded(stock: Callable) -> Callable:
    """``merge_with_parent`` that raises a ``ValueError`` for an option of a wrong type."""

    @wraps(stock)
    def merge_with_parent(dc: Any, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return stock(dc, cfg, *args, **kwargs)
        except ValidationError as error:
            name = str(getattr(error, "full_key", None) or "").split(".")[-1]
            given = OmegaConf.to_container(cfg) if OmegaConf.is_config(cfg) else {}
            if not isinstance(given, dict) or name not in given:
                raise
            value = "null" if given[name] is None else given[name]
            raise ValueError(
                f"--{name.replace('_', '-')} {value}: {str(error).splitlines()[0]}; in YAML write it in quotes, as on "
                "the command line, or leave it out for its default"
            ) from error

    return merge_with_parent
