"""Every recipe at its paper's scale: each command is one that its program takes, each model can be built, and has the
size that the paper prints."""

from typing import Dict, Iterator, List, Set

import pytest
import torch
from fairseq import options

from fairseq_flexdepth.cli.fairseq_options import build_training_model, import_plugin, quiet, split_user_dirs
from fairseq_flexdepth.cli.main import build_parser
from fairseq_flexdepth.cli.params import count_parameters
from recipes.common.dry_run import RECIPES, printed_commands, trained_systems

SCRIPTS = {
    f"{script.parent.name}/{script.stem}": script
    for script in sorted(RECIPES.glob("*/*.sh"))
    if (script.parent / "setup.sh").exists() and script.stat().st_mode & 0o100
}
PARSERS = {
    "fairseq-train": options.get_training_parser,
    "fairseq-generate": options.get_generation_parser,
    "fairseq-validate": options.get_validation_parser,
    "fairseq-eval-lm": options.get_eval_lm_parser,
    "fairseq-preprocess": options.get_preprocessing_parser,
}


@pytest.fixture
def uninitialised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models are built without drawing their parameters, which takes most of the time and of the memory."""

    def nothing(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        return tensor

    for name in ("uniform_", "normal_", "constant_", "zeros_", "ones_", "xavier_uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, nothing)
    for name in ("uniform_", "normal_", "zero_", "fill_"):
        monkeypatch.setattr(torch.Tensor, name, nothing)
    yield


def _check(command: List[str]) -> None:
    """Let the parser of the command's program read it."""
    program, *rest = command
    rest, _ = split_user_dirs(rest)
    if program == "fairseq-flexdepth":
        args, rest = build_parser().parse_known_args(rest)
        if not hasattr(args, "fairseq_options"):
            assert rest == [], command
            return
        program, rest = ("fairseq-train", ["DATA", *rest]) if args.command == "params" else ("fairseq-generate", rest)
    if program not in PARSERS:
        return
    parser = PARSERS[program]()
    parser.error = lambda message: pytest.fail(f"{' '.join(command)}: {message}")  # type: ignore[method-assign]
    if program == "fairseq-preprocess":
        parser.parse_args(rest)
    else:
        options.parse_args_and_arch(parser, rest)


def _models(systems: Dict[str, List[str]]) -> Dict[str, List[str]]:
    """The systems' options without those that differ between trainings of one model."""
    models = {}
    for name, training in systems.items():
        words = iter(training)
        models[name] = [word for word in words if word not in NOT_THE_MODELS or not next(words)]
    return models


NOT_THE_MODELS = (
    "--user-dir",
    "--save-dir",
    "--seed",
    "--finetune-from-model",
    "--init-embeddings-from",
    "--teacher-path",
    "--max-update",
)
BUILT: Set[str] = set()  # the recipes of a paper share systems


@pytest.mark.parametrize("name", SCRIPTS)
def test_commands_and_models_at_the_papers_scale(name, tmp_path, uninitialised):
    import_plugin()
    work = tmp_path / "work"
    commands = printed_commands(SCRIPTS[name], "paper", work)
    assert not work.exists()
    for command in commands:
        with quiet():
            _check(command)
    for model in _models(trained_systems(commands)).values():
        if " ".join(model) not in BUILT:
            BUILT.add(" ".join(model))
            with quiet():
                assert count_parameters(build_training_model(model, 1000, 1000)).total > 0
