"""Command lines as documents and recipes hold them: each is read by the parser of its program, in this process."""

import argparse
import re
import shlex
from typing import Callable, Dict, Iterator, List

from fairseq import options

from fairseq_flexdepth.cli.fairseq_options import split_user_dirs
from fairseq_flexdepth.cli.main import build_parser

PARSERS: Dict[str, Callable[[], argparse.ArgumentParser]] = {
    "fairseq-train": options.get_training_parser,
    "fairseq-generate": options.get_generation_parser,
    "fairseq-interactive": options.get_interactive_generation_parser,
    "fairseq-validate": options.get_validation_parser,
    "fairseq-eval-lm": options.get_eval_lm_parser,
    "fairseq-preprocess": options.get_preprocessing_parser,
}
SEPARATORS = ("&&", "||", "|", ";")
KEYWORDS = ("do", "then", "else")  # of a shell, before a command
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def shell_commands(text: str) -> Iterator[List[str]]:
    """The words of every command in a block of shell commands, without loops and assignments around it."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: List[str] = []
        for word in (*lexer, ";"):
            if word not in SEPARATORS:
                if words or not (ASSIGNMENT.match(word) or word in KEYWORDS):
                    words.append(word)
                continue
            if words and words[0] not in ("for", "done"):
                yield words
            words = []


def check_fairseq_command(command: List[str]) -> None:
    """Let its program's parser read a command of fairseq's, or of ours with fairseq's options.

    Raises:
        ValueError: the parser refuses it.
    """
    program, *rest = command
    rest, _ = split_user_dirs(rest)
    if program == "fairseq-flexdepth":
        own, rest = build_parser().parse_known_args(rest)
        if not hasattr(own, "fairseq_options"):
            if rest:
                raise ValueError(f"{shlex.join(command)}: unrecognized arguments: {' '.join(rest)}")
            return
        program, rest = ("fairseq-train", ["DATA", *rest]) if own.command == "params" else ("fairseq-generate", rest)

    def refuse(message: str) -> None:
        raise ValueError(f"{shlex.join(command)}: {message}")

    parser = PARSERS[program]()
    parser.error = refuse  # type: ignore[method-assign,assignment]
    if program == "fairseq-preprocess":
        parser.parse_args(rest)
        return
    args = options.parse_args_and_arch(parser, rest)
    if command[0] in ("fairseq-train", "fairseq-validate") and args.max_tokens is None and args.batch_size is None:
        refuse("--max-tokens or --batch-size: required")  # fairseq's parser does not know
