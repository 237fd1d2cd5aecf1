"""Parse fairseq's own options, as typed to a sub-command, with fairseq's own parsers."""

import argparse
import contextlib
import difflib
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, List, Mapping, NoReturn, Sequence, Tuple

from fairseq_flexdepth.cli.generate_options import REFUSED, Refusal, check_task, check_values, composed, refuse_options

if TYPE_CHECKING:
    from omegaconf import DictConfig

PACKAGE = "fairseq_flexdepth"


def split_user_dirs(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Separate ``--user-dir`` from the other arguments.

    This package's own ``--user-dir`` is implied and dropped: to fairseq, the installed package and a folder of that
    name in the current directory are two modules, and it refuses the second.

    Returns:
        The other arguments, and the user directories of other packages.

    Raises:
        ValueError: ``--user-dir`` has no value.
    """
    rest: List[str] = []
    user_dirs: List[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if name != "--user-dir":
            rest.append(argument)
            continue
        value = value if equals else next(remaining, "")
        if not value:
            raise ValueError("--user-dir: expected a directory")
        if Path(value).name != PACKAGE:
            user_dirs.append(value)
    return rest, user_dirs


def import_plugin(user_dirs: Sequence[str] = ()) -> None:
    """Register this package, and the packages in other user directories, with fairseq.

    Raises:
        ValueError: a user directory does not exist.
    """
    from fairseq import utils

    import fairseq_flexdepth

    fairseq_flexdepth.register()
    for user_dir in user_dirs:
        try:
            utils.import_user_module(argparse.Namespace(user_dir=user_dir))
        except FileNotFoundError:
            raise ValueError(f"--user-dir {user_dir}: no such directory") from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide log messages and warnings of fairseq and hydra, and send what they print to standard error."""
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _program(name: str) -> Iterator[None]:
    """Replace ``sys.argv``, in which fairseq looks for ``--user-dir`` even if it gets its arguments in another way."""
    saved = sys.argv
    sys.argv = [name]
    try:
        yield
    finally:
        sys.argv = saved


def _refuse(message: str) -> NoReturn:
    """Raise a parser's error message as a ``ValueError``; fairseq would print 200 lines of usage first."""
    match = re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message)
    if match and len(match.group(3)) > 300:
        option, given, choices = match.groups()
        close = difflib.get_close_matches(given, re.split(r"[', ]+", choices), n=4)
        hint = f"did you mean {' or '.join(close)}?" if close else "see fairseq-train --help"
        message = f"{option.split('/')[0]} {given}: unknown name; {hint}"
    raise ValueError(message)


def parse_training_options(arguments: Sequence[str], data: str) -> argparse.Namespace:
    """Parse the arguments of fairseq-train with its own parser.

    Args:
        arguments: the arguments after ``fairseq-train``; DATA among them is ignored.
        data: the directory to use as DATA.

    Raises:
        ValueError: fairseq refuses an argument, or ``--arch`` is missing.
    """
    rest, user_dirs = split_user_dirs(arguments)
    import_plugin(user_dirs)
    from fairseq import options

    with _program("fairseq-train"):
        parser = options.get_training_parser()
        parser.error = _refuse  # type: ignore[method-assign]
        # Checked here because parse_args_and_arch raises an empty RuntimeError if --arch is missing.
        if parser.parse_known_args(rest)[0].arch is None:
            raise ValueError("--arch: required, for example --arch tied_multi_transformer_iwslt_de_en")
        # *data* comes first and fills the positional argument, so a DATA among the arguments is left over.
        args, extra = options.parse_args_and_arch(parser, [data, *rest], parse_known=True)
    unknown = extra if extra and extra[0].startswith("-") else extra[1:]
    if unknown:
        raise ValueError(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def parsed_by_fairseq(
    get_parser: Callable[[], argparse.ArgumentParser],
    arguments: Sequence[str],
    user_dirs: Sequence[str],
    command: str,
    refused: Mapping[str, Refusal],
    check_task: Callable[[str, str], None] = lambda name, command: None,
) -> argparse.Namespace:
    """Parse options with one of fairseq's parsers, and refuse those that *command* does not support.

    Args:
        get_parser: makes the parser, once this package is registered.
        arguments: the options, without ``--user-dir``.
        user_dirs: the user directories of other packages.
        command: the sub-command.
        refused: the options that it refuses.
        check_task: checks the name of the task for *command*, before other tasks add options of their own.

    Raises:
        ValueError: fairseq or *command* refuses the options.
    """
    import_plugin(user_dirs)
    from fairseq import options

    with _program("fairseq-generate"):
        parser = get_parser()
        parser.error = _refuse  # type: ignore[method-assign]
        parser.set_defaults(scoring=None)  # not fairseq's default: its bleu scores tokens, not text
        check_task(parser.parse_known_args(arguments)[0].task, command)
        args = options.parse_args_and_arch(parser, list(arguments))
        refuse_options(parser, parser.parse_args(arguments), command, refused)  # as typed: --bf16 sets --tpu in fairseq
    return args


def parse_generation_options(arguments: Sequence[str], command: str = "sweep") -> "DictConfig":
    """Parse the options of fairseq-generate, as given to *command*, with fairseq's own parser.

    Raises:
        ValueError: fairseq or *command* refuses the options, or a file is missing.
    """
    from fairseq import options

    rest, user_dirs = split_user_dirs(arguments)
    args = parsed_by_fairseq(options.get_generation_parser, rest, user_dirs, command, REFUSED[command], check_task)
    check_values(args)
    check_paths([args.path])
    return composed(args)


def check_paths(paths: Sequence[str]) -> None:
    """Check that every checkpoint of ``--path`` exists; a path may be an ensemble ``a.pt:b.pt``.

    Raises:
        ValueError: a file is missing.
    """
    for path in paths:
        for file in path.split(os.pathsep):
            if not os.path.isfile(file):
                raise ValueError(f"--path {file}: no such file")


def check_one_directory(config: "DictConfig", command: str) -> None:
    """Check that DATA is a single directory.

    Args:
        config: fairseq's options.
        command: the verb for the error message, such as ``sweep``.

    Raises:
        ValueError: DATA lists several directories.
    """
    if os.pathsep in config.task.data:
        raise ValueError(f"DATA {config.task.data}: expected one directory; {command} each of them on its own")
