"""The options of fairseq-eval-lm in ``sweep``: each acts as in fairseq, or is refused (see ``generate_options.py``)."""

import argparse
from functools import partial
from typing import TYPE_CHECKING, Dict, Sequence

from fairseq_flexdepth.cli.fairseq_options import check_paths, parsed_by_fairseq, split_user_dirs
from fairseq_flexdepth.cli.generate_options import REFUSED, Refusal, check_files_given, composed, refuse_options

if TYPE_CHECKING:
    from omegaconf import DictConfig

_REFUSED: Dict[str, Refusal] = {
    **{name: refusal for name, refusal in REFUSED["sweep"].items() if name not in ("scoring", "depth_selector")},
    **dict.fromkeys(("output_word_probs", "output_word_stats"), Refusal("{command} prints no words")),
    "post_process": Refusal("expected subword_nmt, the only form that fairseq-eval-lm joins", ("subword_nmt", "@@ ")),
}


def is_of_language_model(arguments: Sequence[str]) -> bool:
    """Whether the options typed ask for a language model: ``--task language_modeling``."""
    from fairseq_flexdepth.decoding.model_depth import LANGUAGE_MODEL_TASKS

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task")
    return parser.parse_known_args(list(arguments))[0].task in LANGUAGE_MODEL_TASKS


def parse_eval_lm_options(arguments: Sequence[str], command: str) -> "DictConfig":
    """Parse the options of fairseq-eval-lm, as given to *command*, with fairseq's own parser.

    Raises:
        ValueError: fairseq or *command* refuses the options, or a file is missing.
    """
    from fairseq import options

    rest, user_dirs = split_user_dirs(arguments)
    args = parsed_by_fairseq(
        options.get_eval_lm_parser, rest, user_dirs, partial(refuse_options, command=command, refused=_REFUSED)
    )
    check_files_given(args, "score")
    if not 0 <= args.context_window < args.tokens_per_sample:
        raise ValueError(
            f"--context-window {args.context_window}: expected 0 or more, and less than --tokens-per-sample "
            f"{args.tokens_per_sample}"
        )
    check_paths([args.path])
    return composed(args)
