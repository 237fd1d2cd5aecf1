"""Options of a wrong type, as YAML files hold them: one line in place of omegaconf's several."""

from contextlib import contextmanager
from functools import wraps
from typing import Any, Callable, Iterator

from fairseq import criterions, tasks
from omegaconf import OmegaConf
from omegaconf.errors import ValidationError


@contextmanager
def named_type_mistakes(cfg: Any) -> Iterator[None]:
    """Name the option of *cfg* that has a value of a wrong type.

    Raises:
        ValueError: there is one.
    """
    try:
        yield
    except ValidationError as error:
        name = str(getattr(error, "full_key", None) or "").split(".")[-1]
        options = OmegaConf.to_container(cfg) if OmegaConf.is_config(cfg) else vars(cfg)
        if not isinstance(options, dict) or name not in options:
            raise
        value = "null" if options[name] is None else options[name]
        raise ValueError(
            f"--{name.replace('_', '-')} {value}: {str(error).splitlines()[0]}; in YAML write it in quotes, as on the "
            "command line, or leave it out for its default"
        ) from error


def guard_types() -> None:
    """Let fairseq, where it builds criterions and tasks, name options of a wrong type; models: ``note_built_models``."""
    for module, name in ((criterions, "build_criterion"), (tasks, "setup_task")):
        stock = getattr(module, name)
        if not hasattr(stock, "__wrapped__"):
            setattr(module, name, _guarded(stock))


def _guarded(stock: Callable) -> Callable:
    @wraps(stock)
    def build(cfg: Any, *args: Any, **kwargs: Any) -> Any:
        with named_type_mistakes(cfg):
            return stock(cfg, *args, **kwargs)

    return build
