"""The command line around the sub-commands: start-up, mistakes, fairseq's own options."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fairseq_flexdepth import __version__
from fairseq_flexdepth.cli import main as cli

REPOSITORY = Path(__file__).parents[2]

# What the console script runs, followed by a look at what has been imported.
LIGHT_SCRIPT = """
import sys
sys.argv[0] = "fairseq-flexdepth"
from fairseq_flexdepth.cli.main import main
try:
    main()
finally:
    heavy = {"torch", "fairseq", "matplotlib", "numpy", "hydra"} & set(sys.modules)
    print("imported", sorted(heavy), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["depths", "--layers", "12"], ["params", "--help"]])
def test_starts_without_torch_and_fairseq(arguments):
    command = [sys.executable, "-c", LIGHT_SCRIPT, *arguments]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == "imported []\n"


def test_runs_as_a_module():
    command = [sys.executable, "-m", "fairseq_flexdepth.cli.main", "depths", "--layers", "2", "--json"]
    result = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(result.stdout)["layers"] == 2


def test_version(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"fairseq-flexdepth {__version__}\n"


def test_help_lists_every_sub_command(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        cli.main(["--help"])
    output = capsys.readouterr().out
    assert all(f"    {command.NAME} " in output for command in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.NAME)
def test_help_ends_in_two_examples(command, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        cli.main([command.NAME, "--help"])
    heading, *examples = capsys.readouterr().out.splitlines()[-3:]
    assert heading == "examples:"
    assert all(example.startswith(f"  fairseq-flexdepth {command.NAME}") for example in examples)
    assert len(set(examples)) == 2


def test_names_are_unique():
    names = [command.NAME for command in cli.COMMANDS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "fairseq-flexdepth: error: the following arguments are required: SUB-COMMAND\n"),
        (["depths"], "fairseq-flexdepth depths: error: the following arguments are required: --layers\n"),
        (
            ["depths", "--layers", "six"],
            "fairseq-flexdepth depths: error: argument --layers: invalid int value: 'six'\n",
        ),
        (["doctor", "--jsonn"], "fairseq-flexdepth doctor: error: unrecognized arguments: --jsonn\n"),
        (
            ["depths", "--lay", "6"],
            "fairseq-flexdepth depths: error: the following arguments are required: --layers\n",
        ),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line(arguments, message, capsys):
    status = None
    try:
        status = cli.main(arguments)
    except SystemExit as exit:
        assert exit.code == 2
    assert status in (None, 2)
    assert capsys.readouterr() == ("", message)


def test_an_unknown_sub_command_names_the_known_ones(capsys):
    with pytest.raises(SystemExit, match="^2$"):
        cli.main(["depth"])
    error = capsys.readouterr().err
    assert error.startswith("fairseq-flexdepth: error: argument SUB-COMMAND: invalid choice: 'depth'")
    assert "depths" in error.split("choose from")[1]
    assert error.count("\n") == 1


# The options that a sub-command cannot do without.
REQUIRED = {
    "depths": ["--layers", "1"],
    "sharing": ["--layers", "1", "--unique", "1", "--strategy", "cycle"],
    "sweep": ["--output", "x"],
    "oracle": ["--output", "x"],
    "curves": ["train.log", "--output", "x"],
    "translate": ["--path", "x"],
    "distill": ["--dest", "x"],
    "export": ["--path", "x", "--output", "x"],
    "average": ["--inputs", "x", "--output", "x"],
    "prune": ["--path", "x", "--output", "x", "--fraction", "0.5"],
}


class _Stub:
    """A sub-command that takes fairseq's options and does what a test wants."""

    NAME = "stub"
    HELP = "for tests"
    EXAMPLES = ("fairseq-flexdepth stub", "fairseq-flexdepth stub --own 1")

    def __init__(self, action):
        self.action = action

    def add_arguments(self, parser):
        parser.add_argument("--own", type=int)
        parser.set_defaults(fairseq_options=[])

    def run(self, args):
        return self.action(args)


def _run_stub(monkeypatch, action, arguments=()):
    monkeypatch.setattr(cli, "COMMANDS", (_Stub(action),))
    return cli.main(["stub", *arguments])


def test_unknown_options_reach_a_command_for_fairseq_in_their_order(monkeypatch):
    seen = argparse.Namespace()

    def record(args):
        seen.own, seen.options = args.own, args.fairseq_options
        return 3

    given = ["DATA", "--lr", "-1", "--own", "4", "--adam-betas", "(0.9, 0.98)", "--ow=5", "-s", "de"]
    assert _run_stub(monkeypatch, record, given) == 3
    assert seen.own == 4
    assert seen.options == ["DATA", "--lr", "-1", "--adam-betas", "(0.9, 0.98)", "--ow=5", "-s", "de"]


def _raise(error):
    raise error


def test_a_value_error_is_one_line_and_status_2(monkeypatch, capsys):
    assert _run_stub(monkeypatch, lambda args: _raise(ValueError("--own 4:\n  expected 5"))) == 2
    assert capsys.readouterr() == ("", "fairseq-flexdepth stub: error: --own 4: expected 5\n")


def test_a_missing_package_points_to_doctor(monkeypatch, capsys):
    assert _run_stub(monkeypatch, lambda args: _raise(ImportError("No module named 'fairseq'"))) == 1
    expected = "error: No module named 'fairseq'; fairseq-flexdepth doctor says what is missing\n"
    assert capsys.readouterr() == ("", f"fairseq-flexdepth stub: {expected}")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("a bug\nand its explanation"), "RuntimeError: a bug"),
        (KeyError("beam"), "KeyError: 'beam'"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_an_unforeseen_error_is_one_line_and_status_1(monkeypatch, capsys, error, line):
    assert _run_stub(monkeypatch, lambda args: _raise(error)) == 1
    assert capsys.readouterr() == ("", f"fairseq-flexdepth stub: error: {line}; --traceback shows where\n")


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("a bug"), 1), (ValueError("a bug"), 2)])
def test_a_traceback_on_demand(monkeypatch, capsys, error, status):
    assert _run_stub(monkeypatch, lambda args: _raise(error), ["--traceback"]) == status
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "raise error" in "".join(lines)
    assert lines[-1].startswith("fairseq-flexdepth stub: error: ")


def test_an_interruption_is_nobodys_error(monkeypatch):
    with pytest.raises(KeyboardInterrupt, match="^now$"):
        _run_stub(monkeypatch, lambda args: _raise(KeyboardInterrupt("now")))


def test_every_sub_command_takes_traceback():
    for command in cli.COMMANDS:
        options = cli.build_parser().parse_known_args([command.NAME, "--traceback", *REQUIRED.get(command.NAME, ())])[0]
        assert options.traceback
