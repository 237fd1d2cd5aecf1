"""The options of a sweep's report, of translation models and of language models alike."""

import argparse
import os
from typing import TYPE_CHECKING

from fairseq_flexdepth.cli.fairseq_options import check_one_directory
from fairseq_flexdepth.files.outputs import check_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig


def check_report_options(args: argparse.Namespace, config: "DictConfig") -> None:
    """Refuse wrong options.

    Raises:
        ValueError: a model is given twice, a number is out of range, DATA lists several directories, or ``--output``
            cannot be written or has a report already.
    """
    for path in args.path:
        if args.path.count(path) > 1:
            raise ValueError(f"--path {path}: given twice; expected different checkpoints")
    if args.repeat < 1:
        raise ValueError(f"--repeat {args.repeat}: expected 1 or more")
    if args.budget is not None and not 0 < args.budget <= 1:
        raise ValueError(f"--budget {args.budget:g}: expected a share above 0 and at most 1")
    check_one_directory(config, "sweep")
    check_folder("--output", args.output)
    if os.path.exists(os.path.join(args.output, "sweep.json")) and not args.overwrite:
        raise ValueError(f"--output {args.output}: has a report already; --overwrite replaces it")
