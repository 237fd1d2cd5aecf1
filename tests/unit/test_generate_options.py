"""fairseq-generate's options in the sub-commands that take them: none is accepted and without effect."""

import re
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Set

import pytest
from fairseq import options
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_REGISTRY

from fairseq_flexdepth.cli import generate_options
from fairseq_flexdepth.cli.eval_lm_options import is_of_language_model
from fairseq_flexdepth.cli.generate_options import (
    ACTING,
    COMMANDS,
    ENGINES,
    REFUSED,
    REFUSED_BY_ENGINE,
    WITHOUT_MEANING,
    check_task,
    refuse_options,
)
from fairseq_flexdepth.decoding.model_depth import LANGUAGE_MODEL_TASKS, SPEECH_TASK, TAGGED_TASKS, TASKS
from fairseq_flexdepth.export.loaded_model import _check_kind
from tests.integration import cli
from tests.integration.refusals import ours

# Their choices bring options of their own, which are read by the same code as in fairseq-generate, or by none.
REGISTRIES_OF_FAIRSEQ = {"bpe", "tokenizer", "criterion", "optimizer", "lr_scheduler"}


@pytest.fixture(scope="module")
def parser() -> ArgumentParser:
    """fairseq-generate's, with the options that translation and --scoring sacrebleu add."""
    return _parser_of("translation")


def _parser_of(task: str, scoring: str = "sacrebleu") -> ArgumentParser:
    """fairseq-generate's, with the options that task and scoring add."""
    parser = options.get_generation_parser()
    parser.set_defaults(criterion=None, lr_scheduler=None)  # whose options fairseq-generate does not read
    options.parse_args_and_arch(parser, ["data", "--task", task, "--scoring", scoring])
    return parser


@pytest.fixture(scope="module")
def names(parser: ArgumentParser) -> Set[str]:
    """The names of the options of fairseq-generate with each task that is not refused."""
    parsers = [parser, _parser_of(SPEECH_TASK, "wer"), *map(_parser_of, TAGGED_TASKS)]
    return {action.dest for each in parsers for action in each._actions} - {"help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_acts_is_refused_or_has_no_meaning(names: Set[str], command: str) -> None:
    meaningless = [name for names in WITHOUT_MEANING.values() for name in names]
    assert len(meaningless) == len(set(meaningless))
    assert ACTING.isdisjoint(meaningless)
    assert names - ACTING - set(meaningless) - set(REFUSED[command]) == set()


def test_the_tables_name_only_options_that_there_are(names: Set[str]) -> None:
    of_one_stack = {"beam_mt", "max_len_a_mt", "max_len_b_mt", "lenpen_mt", "multitask_config_yaml"}
    named = ACTING.union(*WITHOUT_MEANING.values(), *REFUSED.values())
    assert named <= names | of_one_stack
    for refused in REFUSED_BY_ENGINE.values():
        assert set(refused) <= ACTING


def test_no_registry_is_left_out() -> None:
    assert set(REGISTRIES) - {"scoring", "simul_type"} == REGISTRIES_OF_FAIRSEQ
    assert ACTING.union(*WITHOUT_MEANING.values()) >= REGISTRIES_OF_FAIRSEQ


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_refusal_names_its_option(parser: ArgumentParser, command: str, engine: str) -> None:
    refused = {**REFUSED_BY_ENGINE[engine], **REFUSED[command]}
    for name in refused:
        option = f"--{name.replace('_', '-')}"
        with pytest.raises(ValueError, match=rf"^{option} 7: .*; leave it out$"):
            refuse_options(parser, Namespace(**{name: 7}), command, REFUSED[command], engine)
        for value in (parser.get_default(name), *refused[name].allowed):
            if name != "scoring":  # its default is taken away
                refuse_options(parser, Namespace(**{name: value}), command, REFUSED[command], engine)


def test_all_refused_options_are_named_together(parser: ArgumentParser) -> None:
    given = Namespace(replace_unk="x", results_path="out", print_step=True, tpu=False)
    expected = "--results-path out: sweep writes its own files; --replace-unk x, --print-step: not supported by sweep"
    with pytest.raises(ValueError, match=f"^{expected}; leave them out$"):
        refuse_options(parser, given, "sweep", REFUSED["sweep"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_other_task_is_refused(command: str, tmp_path: Path) -> None:
    place = "--dest" if command == "distill" else "--output"
    supported = TASKS if command == "oracle" else (*TASKS, *TAGGED_TASKS)
    if command == "sweep":
        supported = (*supported, SPEECH_TASK)
    elsewhere = LANGUAGE_MODEL_TASKS if command == "sweep" else ()
    for task in sorted(set(TASK_REGISTRY) - {*supported, *elsewhere, SPEECH_TASK}):
        line = ours(command, "none", "--path", "none.pt", place, tmp_path / "new", "--task", task)
        why = "; a depth selector knows no language tags" if task in TAGGED_TASKS else ""
        assert line == f"--task {task}: {command} takes {', '.join(supported)}{why}"
    assert not list(tmp_path.iterdir())


def test_the_table_of_tasks_agrees_with_the_commands() -> None:
    text = (cli.REPOSITORY / "docs/tasks.md").read_text(encoding="utf-8")
    header, *rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in re.findall(r"(?m)^\|.*\|$", text)]
    tasks = {row[0]: dict(zip(header, row)) for row in rows[1:]}
    assert set(tasks) == {TASKS[0], LANGUAGE_MODEL_TASKS[0], SPEECH_TASK, *TAGGED_TASKS}
    for task, row in tasks.items():
        for command in COMMANDS:
            refused = re.escape(f"--task {task}: {command} takes ")
            scores_text = command == "sweep" and is_of_language_model(["--task", task])
            with nullcontext() if row[command] == "yes" else pytest.raises(ValueError, match=f"^{refused}"):
                if not scores_text:
                    check_task(task, command)


def test_export_refuses_models_of_every_other_task() -> None:
    for task in sorted(set(TASK_REGISTRY) - set(TASKS)):
        cfg = Namespace(model=Namespace(_name="transformer"), task=Namespace(_name=task))
        with pytest.raises(ValueError, match=f"was trained with --task {task}; expected --task translation"):
            _check_kind("model.pt", cfg)


def test_hydra_refuses_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    parser = options.get_generation_parser()
    args = options.parse_args_and_arch(parser, ["data", "--tokenizer", "moses"])
    with pytest.raises(ValueError, match="^fairseq refuses these options: "):
        generate_options.composed(args)
    assert not caplog.records
