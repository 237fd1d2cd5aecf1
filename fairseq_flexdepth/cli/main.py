"""``fairseq-flexdepth``: the command line around the plugin.

A sub-command is a module with ``NAME``, ``HELP``, ``EXAMPLES``, ``add_arguments(parser)`` and ``run(args)``, which
returns the exit status; ``COMMANDS`` lists them. A sub-command that takes fairseq's own options sets the default
``fairseq_options=[]`` on its parser and finds there whatever it did not declare itself.
Sub-commands import torch, fairseq and matplotlib inside ``run``: starting up takes a fraction of a second.
"""

import argparse
import shutil
import sys
import textwrap
import traceback
from typing import NoReturn, Optional, Protocol, Sequence, Tuple

from fairseq_flexdepth import __version__
from fairseq_flexdepth.cli import (
    average,
    curves,
    depths,
    distill,
    doctor,
    export,
    oracle,
    params,
    prune,
    sharing,
    sweep,
    translate,
)

PROGRAM = "fairseq-flexdepth"


class Command(Protocol):
    """The attributes and functions of a sub-command's module."""

    NAME: str
    HELP: str
    EXAMPLES: Tuple[str, str]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options of the sub-command."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the sub-command; return the exit status."""


COMMANDS: Tuple[Command, ...] = (
    depths, sharing, params, curves, sweep, translate, oracle, distill, export, average, prune, doctor,
)  # fmt: skip


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without argparse's usage block."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _wrapped(text: str) -> str:
    """The text in lines of the terminal's width; names of options stay whole."""
    return textwrap.fill(text, width=shutil.get_terminal_size().columns - 2, break_on_hyphens=False)


def _epilog(notes: Optional[str], examples: Sequence[str]) -> str:
    """The end of a sub-command's ``--help``: its notes, then one example per line."""
    lines = "\n".join(f"  {example}" for example in examples)
    return f"{_wrapped(notes or '')}\n\nexamples:\n{lines}".lstrip()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    # No abbreviations: one of ours could be the start of a fairseq option's name.
    parser = OneLineParser(prog=PROGRAM, description="Tools for models of any depth.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="SUB-COMMAND", required=True)
    for command in COMMANDS:
        sub_parser = commands.add_parser(
            command.NAME, help=command.HELP, description=_wrapped(command.HELP), allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,  # examples keep their lines
        )  # fmt: skip
        command.add_arguments(sub_parser)
        sub_parser.epilog = _epilog(sub_parser.epilog, command.EXAMPLES)
        sub_parser.add_argument("--traceback", action="store_true", help="show where an error was raised")
        sub_parser.set_defaults(run=command.run)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one sub-command.

    Returns:
        The exit status: 2 for a user's mistake, 1 for any other error. Both are reported in one line, after the
        traceback if ``--traceback`` asks for it.
    """
    args, unknown = build_parser().parse_known_args(argv)
    try:
        if hasattr(args, "fairseq_options"):
            args.fairseq_options = unknown
        elif unknown:
            raise ValueError(f"unrecognized arguments: {' '.join(unknown)}")
        return args.run(args)
    except OSError as error:
        # The error of a full disk names no file: name the output instead.
        place = error.filename2 or error.filename or getattr(args, "dest", None) or getattr(args, "output", None)
        return _report(args, f"{place}: {error.strerror}" if error.strerror and place else str(error), 2)
    except ValueError as error:
        return _report(args, str(error), 2)
    except ImportError as error:
        return _report(args, f"{error}; fairseq-flexdepth doctor says what is missing", 1)
    except Exception as error:  # an unforeseen error of fairseq, torch or this package
        return _report(args, f"{_named(error)}; --traceback shows where", 1)


def _report(args: argparse.Namespace, message: str, status: int) -> int:
    """Print an error in one line, after the traceback if asked for; return the exit status."""
    if args.traceback:
        traceback.print_exc()
    print(f"{PROGRAM} {args.command}: error: {' '.join(message.split())}", file=sys.stderr)
    return status


def _named(error: Exception) -> str:
    """The error's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


if __name__ == "__main__":
    sys.exit(main())
