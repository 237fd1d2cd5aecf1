"""fairseq's command lines, run in forks of a process that has imported fairseq: importing it anew takes seconds.

Each fork runs the command's own ``cli_main`` and imports the plugin from ``--user-dir``: this module must not.
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
# Commands of this package: only a fork may import them.
OURS = "fairseq-flexdepth"
# Modules that new torch imports at first use, which takes longer than the rest of a tiny training.
LATER = "torch._dynamo"

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([*COMMANDS.values(), LATER])  # old torch lacks some of them


def start(
    command: str, arguments: List[str], output: Path, environment: Dict[str, str], stdin: str = "", alone: bool = False
) -> Any:
    """Start one of ``COMMANDS`` or ``OURS`` with *stdin* as its input; its output goes to *output*.

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
    atexit._clear()  # drop the handlers of the parent process
    status = 0
    if command == OURS:
        status = importlib.import_module("fairseq_flexdepth.cli.main").main()
    else:
        importlib.import_module(COMMANDS[command]).cli_main()
    atexit._run_exitfuncs()  # a fork does not run them at its end
    sys.exit(status)
