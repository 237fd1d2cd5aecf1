"""Every recipe: its commands at the papers' scale, and one recipe run from raw text to its table."""

import re
from pathlib import Path
from typing import Dict, List

import pytest
import torch
from fairseq import options

from fairseq_flexdepth.cli.fairseq_options import build_training_model, quiet, split_user_dirs
from fairseq_flexdepth.cli.main import build_parser
from fairseq_flexdepth.cli.params import count_parameters
from recipes.common.dry_run import RECIPES, printed_commands, trained_systems

SCRIPTS = sorted(
    script
    for pattern in ("table*.sh", "figure*.sh", "text.sh", "attention.sh", "forced_shallow.sh")
    for script in RECIPES.glob(f"*/{pattern}")
)
NAMES = [f"{script.parent.name}/{script.stem}" for script in SCRIPTS]
PARSERS = {
    "fairseq-train": options.get_training_parser,
    "fairseq-generate": options.get_generation_parser,
    "fairseq-validate": options.get_validation_parser,
    "fairseq-eval-lm": options.get_eval_lm_parser,
    "fairseq-preprocess": options.get_preprocessing_parser,
}


def _parse(command: List[str]) -> None:
    """Let the parser of the command's program read it."""
    program, *rest = command
    if program == "fairseq-flexdepth":
        args, rest = build_parser().parse_known_args(rest)
        if not hasattr(args, "fairseq_options"):
            assert rest == []
            return
        if args.command == "export":
            return
        program = "fairseq-generate"
        rest = [*rest, "--path", "model.pt"]
    if program not in PARSERS:
        return
    parser = PARSERS[program]()
    rest, _ = split_user_dirs(rest)
    parser.error = lambda message: pytest.fail(f"{' '.join(command)}: {message}")
    if program == "fairseq-preprocess":
        parser.parse_args(rest)
    else:
        options.parse_args_and_arch(parser, rest)
