"""Commands that must be refused, run in the test's own process, since a table of mistakes would need many forks."""

import contextlib
import importlib
import io
import sys
from pathlib import Path
from typing import Any, Dict
from unittest import mock

from fairseq_flexdepth.cli.main import main
from tests.integration import cli, forked

DECODING = ("--cpu", "--beam", 2, "--max-len-b", 8, "--num-workers", 0)


def ours(command: str, *arguments: Any) -> str:
    """The error message of a refused ``fairseq-flexdepth`` command, one line, without the program's name."""
    errors, output = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
        try:
            status: Any = main([command, *map(str, arguments)])
        except SystemExit as exit:  # raised by argparse
            status = exit.code
    lines = errors.getvalue().splitlines()
    assert (status, output.getvalue()) == (2, ""), lines
    assert sum(": error: " in line for line in lines) == 1, lines
    program, _, message = lines[-1].partition(": error: ")
    assert program == f"fairseq-flexdepth {command}", lines
    return message


def fairseqs(command: str, *arguments: Any) -> str:
    """The error line of a refused fairseq *command*: the last one of a ``ValueError``'s traceback or of the usage."""
    words = [command, *map(str, arguments), "--user-dir", str(cli.PLUGIN)]
    errors = io.StringIO()
    try:
        with mock.patch.object(sys, "argv", words), contextlib.redirect_stderr(errors):
            importlib.import_module(forked.COMMANDS[command]).cli_main()
    except SystemExit as exit:
        assert exit.code == 2
        return errors.getvalue().splitlines()[-1]
    except ValueError as error:
        text = str(error)
        assert "\n" not in text, text  # the message is one line
        return f"{type(error).__name__}: {text}"
    raise AssertionError(f"{words} succeeded")


def training(data: Path, save_dir: Path, *options: Any) -> str:
    """The error line of a refused fairseq-train of the tiny model of ``cli.train``; *options* override its options."""
    return fairseqs(
        "fairseq-train", data, "--save-dir", save_dir, "--cpu", "--arch", "tied_multi_transformer_tiny",
        "--encoder-layers", 3, "--decoder-layers", 2, "--encoder-embed-dim", 16, "--encoder-ffn-embed-dim", 16,
        "--decoder-embed-dim", 16, "--decoder-ffn-embed-dim", 16, "--criterion", "tied_multi_cross_entropy",
        "--optimizer", "adam", "--lr", 0.005, "--max-tokens", 200, "--max-update", 1, "--num-workers", 0, *options,
    )  # fmt: skip


def decoding(data: Path, checkpoint: Path, *options: Any, command: str = "fairseq-generate") -> str:
    """The error line of a refused fairseq-generate, or of another decoding *command*."""
    given = ("--cpu", "--max-tokens", 500, "--num-workers", 0) if command == "fairseq-validate" else DECODING
    return fairseqs(command, data, "--path", checkpoint, *given, *options)


def contents(folder: Path) -> Dict[str, bytes]:
    """The contents of all files in *folder*, by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
