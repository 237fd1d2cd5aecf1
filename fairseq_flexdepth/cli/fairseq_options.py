"""fairseq's own options, and a fairseq-train command line turned into the model it would train, without its data.

fairseq's own parser, tasks and model builders do the work; only the dictionaries are made up.
"""

import argparse
import contextlib
import difflib
import logging
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, List, NoReturn, Sequence, Tuple

from fairseq_flexdepth.cli.generate_options import check_task, check_values, composed, refuse_options

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import nn

PACKAGE = "fairseq_flexdepth"
# bos, pad, eos and unk: fairseq's Dictionary adds them to whatever a dictionary file lists.
SPECIAL_SYMBOLS = 4


def split_user_dirs(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The arguments without any ``--user-dir``, and the directories named there that are not ours.

    Ours is implied. Handed to fairseq it could fail: the installed package and a folder of the same name
    in the current directory are two modules to fairseq, which refuses the second.
    """
    rest: List[str] = []
    user_dirs: List[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if name != "--user-dir":
            rest.append(argument)
            continue
        value = value if equals else next(remaining, "")
        if not value:
            raise ValueError("--user-dir: expected a directory")
        if Path(value).name != PACKAGE:
            user_dirs.append(value)
    return rest, user_dirs


def import_plugin(user_dirs: Sequence[str] = ()) -> None:
    """Register our architectures and those of other user directories with fairseq."""
    from fairseq import utils

    import fairseq_flexdepth

    fairseq_flexdepth.register()
    for user_dir in user_dirs:
        try:
            utils.import_user_module(argparse.Namespace(user_dir=user_dir))
        except FileNotFoundError:
            raise ValueError(f"--user-dir {user_dir}: no such directory") from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep fairseq's and hydra's chatter off standard output, which is for the answer, and off the screen."""
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _program(name: str) -> Iterator[None]:
    """Hide our arguments: fairseq looks for ``--user-dir`` in ``sys.argv`` whatever it is handed."""
    saved = sys.argv
    sys.argv = [name]
    try:
        yield
    finally:
        sys.argv = saved


def _refuse(message: str) -> NoReturn:
    """What a fairseq parser does about a mistake: raise instead of printing 200 lines of usage."""
    match = re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message)
    if match and len(match.group(3)) > 300:
        option, given, choices = match.groups()
        close = difflib.get_close_matches(given, re.split(r"[', ]+", choices), n=4)
        hint = f"did you mean {' or '.join(close)}?" if close else "see fairseq-train --help"
        message = f"{option.split('/')[0]} {given}: unknown name; {hint}"
    raise ValueError(message)


def parse_training_options(arguments: Sequence[str], data: str) -> argparse.Namespace:
    """The arguments of fairseq-train, parsed by its own parser.

    Args:
        arguments: what follows ``fairseq-train``; a positional DATA among them is ignored.
        data: the directory that takes DATA's place.
    """
    rest, user_dirs = split_user_dirs(arguments)
    import_plugin(user_dirs)
    from fairseq import options

    with _program("fairseq-train"):
        parser = options.get_training_parser()
        parser.error = _refuse  # type: ignore[method-assign]
        # Asked here because parse_args_and_arch answers a missing --arch with an empty RuntimeError.
        if parser.parse_known_args(rest)[0].arch is None:
            raise ValueError("--arch: required, for example --arch tied_multi_transformer_iwslt_de_en")
        # Ours comes first and fills the positional, so a DATA of the user's is left over.
        args, extra = options.parse_args_and_arch(parser, [data, *rest], parse_known=True)
    unknown = extra if extra and extra[0].startswith("-") else extra[1:]
    if unknown:
        raise ValueError(f"unrecognized arguments: {' '.join(unknown)}")
    return args


def parse_generation_options(arguments: Sequence[str], command: str = "sweep") -> "DictConfig":
    """The options of fairseq-generate that *command* is given, parsed by fairseq's own parser.

    Raises:
        ValueError: fairseq or *command* refuses the options, or there is no ``--path`` or no DATA.
    """
    rest, user_dirs = split_user_dirs(arguments)
    import_plugin(user_dirs)
    from fairseq import options

    with _program("fairseq-generate"):
        parser = options.get_generation_parser()
        parser.error = _refuse  # type: ignore[method-assign]
        parser.set_defaults(scoring=None)  # fairseq's default, bleu, counts tokens, and ours does not
        check_task(parser.parse_known_args(rest)[0].task)  # before other tasks add options of their own
        args = options.parse_args_and_arch(parser, list(rest))
        refuse_options(parser, parser.parse_args(rest), command)  # as typed: fairseq lets --bf16 set --tpu, too
    if args.path is None:
        raise ValueError("--path: required, the checkpoint to decode with")
    check_paths([args.path])
    check_values(args)
    return composed(args)


def check_paths(paths: Sequence[str]) -> None:
    """Refuse a ``--path`` that names a missing file.

    Raises:
        ValueError: a checkpoint does not exist.
    """
    for path in paths:
        for file in path.split(os.pathsep):
            if not os.path.isfile(file):
                raise ValueError(f"--path {file}: no such file")


def check_one_directory(config: "DictConfig", command: str) -> None:
    """Refuse DATA of several directories.

    Raises:
        ValueError: it is.
    """
    if os.pathsep in config.task.data:
        raise ValueError(f"DATA {config.task.data}: expected one directory; {command} each of them on its own")


def check_task_fits(args: argparse.Namespace, source_size: int, target_size: int) -> None:
    """Refuse a task or vocabularies that the architecture is not for: fairseq answers with a traceback."""
    from fairseq.models import ARCH_MODEL_REGISTRY, FairseqLanguageModel
    from fairseq.models.speech_to_text import S2TTransformerModel
    from fairseq.tasks import TASK_REGISTRY
    from fairseq.tasks.language_modeling import LanguageModelingTask
    from fairseq.tasks.translation import TranslationTask

    arch, task = ARCH_MODEL_REGISTRY[args.arch], TASK_REGISTRY[args.task]
    for model, task_name in ((FairseqLanguageModel, "language_modeling"), (S2TTransformerModel, "speech_to_text")):
        if issubclass(arch, model) and issubclass(task, TranslationTask):
            raise ValueError(f"--task {args.task}: expected --task {task_name} for --arch {args.arch}")
    is_language_model = issubclass(arch, FairseqLanguageModel)
    is_language_task = issubclass(task, LanguageModelingTask)
    if is_language_task and not is_language_model:
        raise ValueError(f"--task {args.task}: expected a language model's --arch, given {args.arch}")
    if source_size != target_size:
        sizes = f"expected one vocabulary, given sizes {source_size} and {target_size}"
        if is_language_task:
            raise ValueError(f"--task {args.task}: {sizes}")
        if getattr(args, "share_all_embeddings", False):
            raise ValueError(f"--share-all-embeddings: {sizes}")


def write_dictionary(path: Path, size: int) -> None:
    """A dictionary file that fairseq loads as exactly *size* symbols."""
    lines = (f"symbol{index} 1\n" for index in range(size - SPECIAL_SYMBOLS))
    path.write_text("".join(lines), encoding="utf-8")


def write_speech_config(folder: Path, given: str) -> str:
    """Write the configuration of a speech task to *folder*, the *given* one if there is one, and return its name.

    Raises:
        ValueError: the file given does not exist.
    """
    from omegaconf import OmegaConf

    config = OmegaConf.create()
    if os.path.isfile(given):
        config = OmegaConf.load(given)
    elif given != "config.yaml":  # fairseq's default, in DATA, which need not exist here
        raise ValueError(f"--config-yaml {given}: no such file; give its path")
    config["vocab_filename"] = "dict.txt"
    OmegaConf.save(config, str(folder / "config.yaml"))
    return "config.yaml"


def build_training_model(arguments: Sequence[str], source_size: int, target_size: int) -> "nn.Module":
    """The model that fairseq-train would build with dictionaries of these sizes.

    Raises:
        ValueError: fairseq refuses the options.
    """
    with tempfile.TemporaryDirectory() as folder:
        args = parse_training_options(arguments, folder)
        check_task_fits(args, source_size, target_size)
        # Equal sizes give equal dictionaries, which --share-all-embeddings takes for a joined one.
        write_dictionary(Path(folder, "dict.source.txt"), source_size)
        write_dictionary(Path(folder, "dict.target.txt"), target_size)
        write_dictionary(Path(folder, "dict.txt"), target_size)
        if args.task == "speech_to_text":
            args.config_yaml = write_speech_config(Path(folder), args.config_yaml)
        args.source_lang, args.target_lang = "source", "target"
        return _build(args)


def _build(args: argparse.Namespace) -> "nn.Module":
    from fairseq import tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    from fairseq_flexdepth.files.initial_files import clear_initial_files

    clear_initial_files(args)
    try:
        config = convert_namespace_to_omegaconf(args)
        return tasks.setup_task(config.task).build_model(config.model)
    except (AssertionError, ArithmeticError, RuntimeError) as error:
        # How fairseq, or torch in its place, refuses options that contradict each other or are out of range.
        reason = str(error) or "no reason given"
        raise ValueError(f"--arch {args.arch}: fairseq refuses these options: {reason}") from error
    except FileNotFoundError as error:
        raise ValueError(f"--task {args.task}: not supported, it reads more of DATA than dictionaries") from error
