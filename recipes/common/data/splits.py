"""Options and functions shared by the scripts that rewrite every split of a parallel text, line by line."""

import argparse
import itertools
import os
from typing import Callable, List

from recipes.common.data import files, workers


def splits_parser(description: str, destination: str) -> argparse.ArgumentParser:
    """Return a parser with the options of these scripts.

    Args:
        description: the description of the script.
        destination: the help text of the folder that it writes.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("text", help="folder with SPLIT.LANG")
    parser.add_argument("destination", help=destination)
    parser.add_argument("--languages", default="de,en", help="the two languages, separated by a comma")
    parser.add_argument("--splits", default="train,valid,test", help="separated by commas")
    parser.add_argument("--workers", type=int, default=1)
    return parser


def split_names(args: argparse.Namespace) -> List[str]:
    """Return the file names of all splits, ``SPLIT.LANG``."""
    return [".".join(parts) for parts in itertools.product(args.splits.split(","), args.languages.split(","))]


def training_files(args: argparse.Namespace) -> List[str]:
    """Return the paths of the training text, one per language."""
    return [os.path.join(args.text, f"train.{language}") for language in args.languages.split(",")]


def rewrite_splits(args: argparse.Namespace, function_for: Callable[[str], Callable[[str], str]]) -> None:
    """Write every split line by line, in several processes.

    Args:
        args: the options of `splits_parser`.
        function_for: returns, for a language, the function that rewrites a line; this must be picklable.
    """
    with workers.Workers(args.workers) as processes:
        for name in split_names(args):
            function = function_for(name.rpartition(".")[2])
            with files.written_whole(os.path.join(args.destination, name)) as output:
                for block in workers.blocks(files.read_lines(os.path.join(args.text, name))):
                    output.writelines(f"{line}\n" for line in processes.map(function, block))
