"""Command lines as documents and recipes hold them: each is read by the parser of its program, in this process."""

import argparse
import functools
import os
import re
import shlex
from pathlib import Path
from typing import Callable, Dict, FrozenSet, Iterator, List, Optional

from fairseq import options

from fairseq_flexdepth.cli.eval_lm_options import is_of_language_model, parse_eval_lm_options
from fairseq_flexdepth.cli.fairseq_options import parse_generation_options, quiet, split_user_dirs
from fairseq_flexdepth.cli.main import build_parser

ROOT = Path(__file__).parents[1]
PARSERS: Dict[str, Callable[[], argparse.ArgumentParser]] = {
    "fairseq-train": options.get_training_parser,
    "fairseq-generate": options.get_generation_parser,
    "fairseq-interactive": options.get_interactive_generation_parser,
    "fairseq-validate": options.get_validation_parser,
    "fairseq-eval-lm": options.get_eval_lm_parser,
    "fairseq-preprocess": options.get_preprocessing_parser,
}
SEPARATORS = ("&&", "||", "|", ";")
LAUNCHERS = ("torchrun", "srun")  # start several processes of fairseq-flexdepth
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


_our_parser = functools.lru_cache(maxsize=None)(build_parser)


def check_fairseq_command(command: List[str]) -> Optional[argparse.Namespace]:
    """Let its program's parser read a command of fairseq's, or of ours with fairseq's options; return these options.

    Raises:
        ValueError: the parser refuses it.
    """
    program, *rest = command
    rest, _ = split_user_dirs(rest)
    if program == "fairseq-flexdepth":
        own, rest = _our_parser().parse_known_args(rest)
        if not hasattr(own, "fairseq_options"):
            if rest:
                raise ValueError(f"{shlex.join(command)}: unrecognized arguments: {' '.join(rest)}")
            return None
        generation = "fairseq-eval-lm" if is_of_language_model(rest) else "fairseq-generate"
        program, rest = ("fairseq-train", ["DATA", *rest]) if own.command == "params" else (generation, rest)

    def refuse(message: str) -> None:
        raise ValueError(f"{shlex.join(command)}: {message}")

    parser = PARSERS[program]()
    parser.error = refuse  # type: ignore[method-assign,assignment]
    if program == "fairseq-preprocess":
        return parser.parse_args(rest)
    args = options.parse_args_and_arch(parser, rest)
    if command[0] in ("fairseq-train", "fairseq-validate") and args.max_tokens is None and args.batch_size is None:
        refuse("--max-tokens or --batch-size: required")  # fairseq's parser does not know
    return args


def check_command(command: List[str], folder: Path) -> None:
    """Refuse a command that cannot run as it stands; the checkpoints that it names are made, empty, in *folder*.

    Raises:
        ValueError: its parser refuses it, or a file, a target or a program does not exist.
    """
    if command[0] in LAUNCHERS:  # their own options end where the program begins
        command = command[command.index("fairseq-flexdepth") :]
    program, *arguments = command
    if program == "fairseq-flexdepth" or program in PARSERS:
        for path in (path for word in arguments for path in word.split(":") if path.endswith(".pt")):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        with quiet():
            check_fairseq_command(command)
            if arguments[0] in ("sweep", "oracle", "distill"):
                _check_generation(arguments)
        return
    if program == "make":
        missing = [word for word in arguments if "=" not in word and word not in make_targets()]
    elif program.endswith("python"):
        missing = [] if _python_exists(arguments) else arguments
    elif program == "pip":
        missing = [word for word in arguments if "/" in word and not (ROOT / word).exists()]
    elif program in ("bash", "grep"):
        missing = [] if (ROOT / arguments[-1 if program == "grep" else 0]).exists() else arguments
    elif program == "echo":
        missing = []
    elif program == ".":
        missing = [word for word in arguments if word != ".venv/bin/activate"]
    elif program == "fairseq-hydra-train":
        missing = [] if arguments[::2] == ["--config-dir", "--config-name"] else arguments
    else:
        missing = [] if os.access(ROOT / program, os.X_OK) else [program]
    if missing:
        raise ValueError(f"{' '.join(command)}: no such {' '.join(missing)}")


def _check_generation(arguments: List[str]) -> None:
    """Refuse options of fairseq-generate or fairseq-eval-lm that the sub-command refuses."""
    own, rest = _our_parser().parse_known_args(arguments)
    paths = [] if own.command == "distill" else ["--path", own.path[0]]
    parse = parse_eval_lm_options if is_of_language_model(rest) else parse_generation_options
    parse([*paths, *rest], own.command)


def _python_exists(arguments: List[str]) -> bool:
    """Whether the module, the script, or the tests that ``python ARGUMENTS`` runs exist."""
    if arguments[:2] == ["-m", "pytest"]:
        paths = [word for word in arguments[2:] if "/" in word]
    elif arguments[0] == "-m":
        paths = [arguments[1].replace(".", "/") + ".py"]
    else:
        paths = arguments[:1]
    return bool(paths) and all((ROOT / path).exists() for path in paths)


def make_targets() -> FrozenSet[str]:
    """The targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z-]+):", text, flags=re.MULTILINE))
