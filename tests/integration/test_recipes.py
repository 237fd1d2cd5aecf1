"""Every recipe at its paper's scale: programs accept the commands, and models have the sizes that the paper prints."""

import csv
import functools
import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

import pytest
import torch
from fairseq import models

from fairseq_flexdepth.cli.fairseq_options import import_plugin, parse_training_options, quiet
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.cli.params import count_parameters
from fairseq_flexdepth.cli.training_model import build_training_model
from fairseq_flexdepth.pruning.magnitude_pruning import prunable_weights, pruned_number
from recipes.common.dry_run import printed_commands, recipe_scripts, trained_systems, without_redirection
from recipes.common.model_size import model_size
from recipes.common.recipe_models import RecipeModels, system_of
from tests import tiny
from tests.command_lines import PARSERS
from tests.integration import recipe_settings

Lines = Callable[[str], List[List[str]]]
SCRIPTS = recipe_scripts()
# beginnings of the names of fairseq-train's options that do not describe the model
TRAINING = (
    "adam", "ckd", "clip-norm", "criterion", "distill", "dropout", "finetune-from-model", "init-embeddings", "keep",
    "kd", "label-smoothing", "log", "lr", "max-tokens", "max-update", "momentum", "no-epoch", "no-save", "optimizer",
    "pkd", "sample", "sandwich", "save", "seed", "sentence-avg", "teacher", "total-num", "update", "user-dir",
    "validate", "warmup", "weight-decay",
)  # fmt: skip
# sizes of the dictionaries that give the paper's counts, where its tables do not state them
VOCABULARIES = {"tied_multi": 33050}


@pytest.fixture
def uninitialised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Skip the initialisation of parameters, which takes most of the time and of the memory."""

    def nothing(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        return tensor

    for name in ("uniform_", "normal_", "constant_", "zeros_", "ones_", "xavier_uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, nothing)
    for name in ("uniform_", "normal_", "zero_", "fill_"):
        monkeypatch.setattr(torch.Tensor, name, nothing)
    yield


def _model_options(training: List[str]) -> Tuple[str, ...]:
    """The options that describe the model."""
    kept: List[str] = []
    keep = True
    for word in training:
        keep = not word[2:].startswith(TRAINING) if word.startswith("--") else keep
        if keep:
            kept.append(word)
    return tuple(kept)


def _model(training: List[str], vocabulary: int) -> torch.nn.Module:
    with quiet():
        return build_training_model(_model_options(training), vocabulary, vocabulary)


_task = functools.lru_cache(maxsize=None)(functools.partial(tiny.task, joined=True))
_built_as_by_fairseq_train: Set[Tuple[str, ...]] = set()


@functools.lru_cache(maxsize=None)  # keep only numbers: the models would fill the memory
def _count(model_options: Tuple[str, ...], vocabulary: int) -> int:
    """The parameters of the model of these options.

    fairseq-train makes a configuration of hydra of them, which takes ten times as long as the model: here it is made
    once per architecture and names of options, not for every value.
    """
    with quiet():
        options = parse_training_options(model_options, "")
        kind = (options.arch, *(word for word in model_options if word.startswith("--")))
        # the task of speech completes the options
        if options.task != "speech_to_text" and kind in _built_as_by_fairseq_train:
            return count_parameters(models.build_model(options, _task(vocabulary))).total
    _built_as_by_fairseq_train.add(kind)
    return count_parameters(_model(list(model_options), vocabulary)).total


def _millions(training: List[str], vocabulary: int) -> float:
    return _count(_model_options(training), vocabulary) / 1e6


def _rows(name: str) -> List[Dict[str, str]]:
    file = SCRIPTS[name].with_suffix(".tsv")
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def _corpora_come_first(commands: List[List[str]]) -> bool:
    """Whether every command that makes a corpus, or a part of one, comes before the first training."""
    programs = [command[0] for command in commands]
    first = programs.index("fairseq-train") if "fairseq-train" in programs else len(commands)
    parts = ("fairseq-preprocess", "recipes.layer_sharing.training_text", "recipes.common.sample")
    made = [
        number
        for number, command in enumerate(commands)
        if any(word in parts or "/common/data/" in word or "recipes.common.data." in word for word in command)
    ]
    return all(number < first for number in made) and bool(made or first == len(commands))


@pytest.mark.parametrize("name", SCRIPTS)
def test_commands_settings_and_models_at_the_papers_scale(
    name: str, paper_scale_lines: Lines, uninitialised: None
) -> None:
    import_plugin()
    lines = paper_scale_lines(name)
    commands = [without_redirection(words) for words in lines]
    assert _corpora_come_first(commands)
    for command in commands:
        if command[0] == "fairseq-flexdepth" or command[0] in PARSERS:
            recipe_settings.parsed(tuple(command))
    # not in tests of their own, which would parse every command once more in another process
    compared = recipe_settings.settings_commands(lines)
    recipe_settings.check_timed_decoding(name, compared)
    recipe_settings.check_checkpoints(name, compared)
    recipe_settings.check_settings(name, compared)
    check_sizes(name, commands)


def check_sizes(name: str, commands: List[List[str]]) -> None:
    """The models that fairseq builds have the computed sizes, and those that the paper prints."""
    printed = {row.get("system"): row for row in _rows(name) if row.get("_vocabulary")}
    models = RecipeModels(commands)
    options = {system_of(folder): models.model(folder).options for folder in models.folders()}
    for system, training in trained_systems(commands).items():
        if "depth_selection" in training:  # a selector is made for its labels
            continue
        row = printed.get(system, {})
        vocabulary = int(row.get("_vocabulary") or VOCABULARIES.get(name.split("/")[0], 1000))
        millions = _millions(training, vocabulary)
        assert model_size(options[system], (vocabulary, vocabulary)).total == round(millions * 1e6), system
        if row.get("params_millions"):
            # sequence_kd cuts 84.8 off, the others round
            assert float(row["params_millions"]) in (round(millions), int(millions)), system


def _last(command: List[str], option: str) -> int:
    return int(command[len(command) - command[::-1].index(option)])


# one of each setup.sh that has its own averages
AVERAGING = (
    "tied_multi/table2", "flexible_depth/figure1", "layer_sharing/figure3", "layer_sharing/table4", "ckd/ablations",
)  # fmt: skip


@pytest.mark.parametrize("name", AVERAGING)
def test_short_trainings_save_the_checkpoints_that_are_averaged(name: str, tmp_path: Path) -> None:
    commands = printed_commands(SCRIPTS[name], "paper", tmp_path / "work", UPDATES="200")
    trainings = {command[command.index("--save-dir") + 1]: command for command in commands if "--save-dir" in command}
    averages = [command for command in commands if command[:2] == ["fairseq-flexdepth", "average"]]
    assert averages
    for command in averages:
        training = trainings[command[command.index("--inputs") + 1]]
        number = _last(command, "--num-update-checkpoints")
        assert _last(training, "--save-interval-updates") * 2 * number <= _last(training, "--max-update")
    assert all(_last(training, "--max-update") <= 200 for training in trainings.values())


def test_the_sizes_of_tied_multis_models(paper_scale_lines: Lines, uninitialised: None) -> None:
    systems = {
        name: training
        for table in ("table1", "table3")
        for name, training in trained_systems(paper_scale_lines(f"tied_multi/{table}")).items()
    }
    with_moments = {name: 3 * _millions(training, VOCABULARIES["tied_multi"]) for name, training in systems.items()}
    vanilla = [millions for name, millions in with_moments.items() if name.startswith("vanilla")]
    assert (len(vanilla), round(sum(vanilla))) == (36, 4608)
    assert (round(with_moments["tied-multi"]), round(with_moments["tied-multi-rs"])) == (183, 73)


def test_the_sizes_of_ckds_models(paper_scale_lines: Lines, uninitialised: None, capsys: Any) -> None:
    teachers, students = ([int(row[name]) for name in list(row)[1:5]] for row in _rows("ckd/table2"))
    counted = []
    for program, *options_ in map(without_redirection, paper_scale_lines("ckd/table2")):
        if program == "fairseq-flexdepth":
            assert main(options_) == 0
            counted.append(round(json.loads(capsys.readouterr().out)["total"] / 1e6))
    assert counted == [*teachers, *students]


def test_the_sizes_of_pruned_students(paper_scale_lines: Lines, uninitialised: None) -> None:
    (vocabulary,) = {int(row["_vocabulary"]) for row in _rows("sequence_kd/table1") if row["params_millions"] == "84"}
    student = _model(trained_systems(paper_scale_lines("sequence_kd/table3"))["first-student-seq-kd"], vocabulary)
    total, weights = count_parameters(student).total, prunable_weights(student.state_dict())
    for row in _rows("sequence_kd/table3"):
        if row["model"] == "2x500":
            millions = (total - pruned_number(weights, int(row["prune_percent"]) / 100)) / 1e6
            assert float(row["params_millions"]) in (round(millions), int(millions))
