"""fairseq's command lines in forks of a process that has imported fairseq: starting each afresh takes seconds.

What runs is the commands' own ``cli_main``, in a process of its own, which imports the plugin as ``--user-dir`` says.
This module must not import it.
"""

import atexit
import importlib
import io
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any, Dict, List

COMMANDS = {
    "fairseq-preprocess": "fairseq_cli.preprocess",
    "fairseq-train": "fairseq_cli.train",
    "fairseq-generate": "fairseq_cli.generate",
    "fairseq-validate": "fairseq_cli.validate",
    "fairseq-interactive": "fairseq_cli.interactive",
    "fairseq-eval-lm": "fairseq_cli.eval_lm",
    "fairseq-hydra-train": "fairseq_cli.hydra_train",
}
# Ours, which only a fork may import.
OURS = "fairseq-flexdepth"
# What new torch imports once it first needs it, which takes longer than all else that a tiny training does.
LATER = "torch._dynamo"

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([*COMMANDS.values(), LATER])  # passes over what old torch has not


def start(
    command: str, arguments: List[str], output: Path, environment: Dict[str, str], stdin: str = "", alone: bool = False
) -> Any:
    """Start one of ``COMMANDS``, or ``OURS``, on *stdin*; *output* gets all it prints.

    Returns:
        A process of ``multiprocessing``; with *alone* it leads a process group, which can be killed as a whole.
    """
    given = (command, arguments, str(output), os.getcwd(), environment, stdin, alone)
    process = _forks.Process(target=_main, args=given)
    process.start()
    return process


def run(command: str, arguments: List[str], output: Path, environment: Dict[str, str], stdin: str = "") -> int:
    """Run a command to its end and return its exit status."""
    process = start(command, arguments, output, environment, stdin)
    process.join()
    return int(process.exitcode or 0)


def _main(
    command: str, arguments: List[str], output: str, folder: str, environment: Dict[str, str], stdin: str, alone: bool
) -> None:
    if alone:
        os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdin = io.StringIO(stdin)
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv = [command, *arguments]
    atexit._clear()  # what the server registered is not the command's
    status = 0
    if command == OURS:
        status = importlib.import_module("fairseq_flexdepth.cli.main").main()
    else:
        importlib.import_module(COMMANDS[command]).cli_main()
    atexit._run_exitfuncs()  # a fork ends without
    sys.exit(status)
