"""fairseq's command lines in forks of a process that has imported fairseq: starting each afresh takes seconds.

What runs is the commands' own ``cli_main``, in a process of its own, which imports the plugin as ``--user-dir`` says.
This module must not import it.
"""

import importlib
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Dict, List

COMMANDS = {
    "fairseq-preprocess": "fairseq_cli.preprocess",
    "fairseq-train": "fairseq_cli.train",
    "fairseq-generate": "fairseq_cli.generate",
    "fairseq-validate": "fairseq_cli.validate",
}

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(COMMANDS.values()))


def run(command: str, arguments: List[str], output: Path, environment: Dict[str, str]) -> int:
    """Run one of ``COMMANDS``, let *output* have all it prints, and return its exit status."""
    process = _forks.Process(target=_main, args=(command, arguments, str(output), os.getcwd(), environment))
    process.start()
    process.join()
    return int(process.exitcode or 0)


def _main(command: str, arguments: List[str], output: str, folder: str, environment: Dict[str, str]) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv = [command, *arguments]
    importlib.import_module(COMMANDS[command]).cli_main()
