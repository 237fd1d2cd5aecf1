"""Build the model of a fairseq-train command line, without its data.

fairseq's own parser, tasks and model builders do the work. The dictionaries hold made-up words, as many as requested.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from fairseq_flexdepth.cli.fairseq_options import parse_training_options

if TYPE_CHECKING:
    from torch import nn

# bos, pad, eos and unk: fairseq's Dictionary adds them to the words of a dictionary file.
SPECIAL_SYMBOLS = 4


def check_task_fits(args: argparse.Namespace, source_size: int, target_size: int) -> None:
    """Refuse a task or vocabulary sizes that do not fit the architecture: fairseq would fail with a traceback.

    Raises:
        ValueError: they do not fit.
    """
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
    """Write a dictionary file that fairseq loads as exactly *size* symbols, special symbols included."""
    lines = (f"symbol{index} 1\n" for index in range(size - SPECIAL_SYMBOLS))
    path.write_text("".join(lines), encoding="utf-8")


def write_speech_config(folder: Path, given: str) -> str:
    """Write the configuration of a speech task to *folder*, and return its file name.

    Args:
        folder: the directory used as DATA.
        given: ``--config-yaml``, whose settings are kept.

    Raises:
        ValueError: the file *given* does not exist.
    """
    from omegaconf import OmegaConf

    config = OmegaConf.create()
    if os.path.isfile(given):
        config = OmegaConf.load(given)
    elif given != "config.yaml":  # fairseq's default, a file in DATA, which is not needed here
        raise ValueError(f"--config-yaml {given}: no such file; give its path")
    config["vocab_filename"] = "dict.txt"
    OmegaConf.save(config, str(folder / "config.yaml"))
    return "config.yaml"


def build_training_model(arguments: Sequence[str], source_size: int, target_size: int) -> "nn.Module":
    """Build the model of a fairseq-train command line.

    Args:
        arguments: the arguments after ``fairseq-train``; DATA is not needed.
        source_size: number of symbols in the source dictionary, special symbols included.
        target_size: the same for the target dictionary.

    Raises:
        ValueError: fairseq refuses the options.
    """
    with tempfile.TemporaryDirectory() as folder:
        args = parse_training_options(arguments, folder)
        check_task_fits(args, source_size, target_size)
        # Equal sizes give equal dictionaries, as --share-all-embeddings requires.
        write_dictionary(Path(folder, "dict.source.txt"), source_size)
        write_dictionary(Path(folder, "dict.target.txt"), target_size)
        write_dictionary(Path(folder, "dict.txt"), target_size)
        if args.task == "speech_to_text":
            args.config_yaml = write_speech_config(Path(folder), args.config_yaml)
        args.source_lang, args.target_lang = "source", "target"
        return _build(args)


def _build(args: argparse.Namespace) -> "nn.Module":
    """Build the model of parsed options; report fairseq's errors in one line."""
    from fairseq import tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    from fairseq_flexdepth.files.initial_files import clear_initial_files

    clear_initial_files(args)
    try:
        config = convert_namespace_to_omegaconf(args)
        return tasks.setup_task(config.task).build_model(config.model)
    except (AssertionError, ArithmeticError, RuntimeError) as error:
        # fairseq or torch raises these for options that contradict each other or are out of range.
        reason = str(error) or "no reason given"
        raise ValueError(f"--arch {args.arch}: fairseq refuses these options: {reason}") from error
    except FileNotFoundError as error:
        raise ValueError(f"--task {args.task}: not supported: it needs more than the dictionaries of DATA") from error
