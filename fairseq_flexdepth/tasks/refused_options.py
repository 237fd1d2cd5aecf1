"""Options of our translation task that another task refuses, each in one line with the reason.

argparse would answer an unknown option with its usage, two hundred lines in which the error is hard to find.
"""

from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from dataclasses import fields
from typing import Any, Dict, Mapping, Optional, Tuple

from fairseq_flexdepth.tasks.depth_options import BleuOptions, GreedyOptions, SelectorOptions


def _options(group: type) -> Tuple[str, ...]:
    """The options of a *group* of fairseq's, without its own field ``_name``."""
    return tuple(f"--{field.name.replace('_', '-')}" for field in fields(group) if not field.name.startswith("_"))


SELECTOR = _options(SelectorOptions)
GREEDY = _options(GreedyOptions)
BLEU = _options(BleuOptions)
# The reasons of the tasks whose sentences have language tags.
TAGGED: Dict[str, str] = {
    **dict.fromkeys(
        SELECTOR,
        "selectors read words, and the sentences of this task have language tags; expected --enc-layers and "
        "--dec-layers, one depth for all sentences",
    ),
    **dict.fromkeys(
        GREEDY,
        "our greedy search knows no language tags; expected --beam 1 alone, fairseq's greedy search",
    ),
}
# The reasons of the tasks with --lang-pairs.
MANY_DIRECTIONS: Dict[str, str] = {
    **TAGGED, **dict.fromkeys(BLEU, "this task has no --eval-bleu; validation logs the losses of all depths")
}  # fmt: skip


class _Refuse(Action):
    """An option that is refused when it is given."""

    def __init__(self, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, option: Optional[str] = None) -> None:
        name = self.option_strings[0]  # the user's may be abbreviated
        given = name if values is None else f"{name} {values}"
        raise ValueError(f"{given}: {self.reason}")


def add_refused(parser: ArgumentParser, reasons: Mapping[str, str]) -> None:
    """Let *parser* refuse options, without listing them in its help.

    Args:
        parser: the parser of a task with ``add_args``; it raises a ``ValueError`` at such an option.
        reasons: the reason of each option, and what to do instead.
    """
    for option, reason in reasons.items():
        parser.add_argument(option, action=_Refuse, reason=reason, nargs="?", default=SUPPRESS, help=SUPPRESS)
