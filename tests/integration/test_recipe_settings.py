"""The settings of every recipe at its paper's scale, compared with recipe_settings.tsv, and its batches on 1 to 8 GPUs.

A row of the table: regular expressions of recipes and of systems, the kind of command (``text``, ``train``,
``average``, ``decode``, ``held-out``), an option without its dashes, its value, and the source. The value may be
``\\1``, a group of the system's expression. The system of ``decode`` is ``SYSTEM/FOLDER``, such as
``tied-multi/greedy``, that of ``text`` the data set; its options are environment variables. ``tokens`` and
``sentences`` are those of an update. The source is a place in a paper (by its key in docs/references.md), the work
that the paper refers to, or "our choice" where the paper leaves it open.
"""

import argparse
import csv
import functools
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import pytest

from fairseq_flexdepth.cli.fairseq_options import import_plugin, quiet
from recipes.common.dry_run import RECIPES, printed_commands, printed_lines, recipe_scripts
from tests.command_lines import check_fairseq_command
from tests.integration.test_recipe_machine import (  # noqa: F401  (a fixture)
    epochs_without_checkpoints,
    printed,
)

SCRIPTS = recipe_scripts()
WORK = Path("/nonexistent")  # nothing is run
# what a row must exist for, for every training
ALWAYS = ("criterion", "optimizer", "lr", "lr_scheduler", "max_update", "dropout")
BY_VALUE = {
    "optimizer": {"adam": ("adam_betas",)},
    "lr_scheduler": {"inverse_sqrt": ("warmup_updates",)},
    "criterion": {
        name: ("label_smoothing",)
        for name in ("label_smoothed_cross_entropy", "tied_multi_cross_entropy", "multi_task_depth_cross_entropy")
    },
}


class Row(NamedTuple):
    """A setting of some systems of some recipes."""

    recipes: str
    systems: str
    command: str
    option: str
    value: str
    source: str

    def expected(self, recipe: str, command: str, system: str) -> Optional[str]:
        """The value that this row demands of a command, or ``None``."""
        if command != self.command or not re.fullmatch(self.recipes, recipe):
            return None
        match = re.fullmatch(self.systems, system)
        return None if match is None else match.expand(self.value)


class Command(NamedTuple):
    """A command that a recipe prints: its kind, its system and its options."""

    kind: str
    system: str
    options: Dict[str, Any]


def _rows() -> List[Row]:
    with Path(__file__).with_name("recipe_settings.tsv").open(encoding="utf-8", newline="") as lines:
        return [Row(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _after(command: Tuple[str, ...], option: str) -> str:
    return command[len(command) - command[::-1].index(option)]


@functools.lru_cache(maxsize=None)  # recipes of a paper have common systems
def _parsed(command: Tuple[str, ...]) -> Dict[str, Any]:
    with quiet():
        parsed = check_fairseq_command(list(command))
    assert isinstance(parsed, argparse.Namespace)
    return vars(parsed)


def _command(words: Tuple[str, ...]) -> Optional[Command]:
    """The command, or ``None`` if it is of no kind that the table has."""
    if words[0] == "fairseq-train":
        options = dict(_parsed(words))
        if options["batch_size"] is not None:
            options["sentences"] = options["batch_size"] * options["update_freq"][0]
        else:
            options["tokens"] = options["max_tokens"] * options["update_freq"][0]
        return Command("train", Path(_after(words, "--save-dir")).parent.name, options)
    if words[:2] == ("fairseq-flexdepth", "average"):
        number = {"num_update_checkpoints": _after(words, "--num-update-checkpoints")}
        return Command("average", Path(_after(words, "--inputs")).parent.name, number)
    if words[0] == "fairseq-generate" or words[:2] in [("fairseq-flexdepth", name) for name in ("sweep", "oracle")]:
        return Command("decode", Path(_after(words, "--path")).parts[-3], dict(_parsed(words)))
    if words[:2] == ("fairseq-flexdepth", "distill"):
        return Command("decode", f"distill/{Path(_after(words, '--dest')).name}", dict(_parsed(words)))
    if words[0] == "env" and Path(words[-2]).parent.name == "data":
        settings = dict(word.split("=", 1) for word in words[1 : words.index("bash")])
        return Command("text", Path(words[-2]).stem, {name.lower(): value for name, value in settings.items()})
    if "recipes.tied_multi.held_out" in words:
        return Command("held-out", Path(words[3]).parts[-3], {"sentences": _after(words, "--sentences")})
    return None


@functools.lru_cache(maxsize=None)
def _commands(recipe: str) -> List[Command]:
    """The commands of a recipe at its paper's scale, with the outputs of decoding in the system's name."""
    import_plugin()
    found = []
    for words in printed_lines(SCRIPTS[recipe], "paper", WORK):
        output = Path(words[-1]).with_suffix("").name if ">" in words else ""
        words = words[: words.index(">")] if ">" in words else words
        command = _command(tuple(words))
        if command is None:
            continue
        if command.kind == "decode" and "/" not in command.system:
            output = output or Path(_after(tuple(words), "--output")).name
            command = command._replace(system=f"{command.system}/{output}")
        found.append(command)
    return found


def _equal(value: Any, expected: str) -> bool:
    """Whether an option's value is the expected one, as numbers or as text without spaces."""
    value = value[0] if isinstance(value, list) else value
    try:
        return float(value) == float(expected)
    except (TypeError, ValueError):
        return str(value).replace(" ", "") == expected


# The decodings whose seconds are in a recipe's tables
TIMED = {
    "sequence_kd/table2": r"first-.*/cpu-\d",
    "tied_multi/table1": "tied-multi/timed",
    "tied_multi/table2": "tied-multi/(deepest|oracle|selector-.*)",
    "tied_multi/text": "(distilled-)?tied-multi(-rs)?/(timed|greedy)|.*/one-by-one",
}
# The least number of tokens or frames in an epoch, where the interval is not prime
AN_EPOCH = {
    "tied_multi": 2 * 5.58e6,  # the paper's pairs, each at least a word and the end of the sentence
    "layer_sharing/table4": 960 * 3600 * 100,  # LibriSpeech's 960 hours, a frame every 10 ms
}


def decoding_is_timed_after_the_last_training(recipe: str, commands: List[Command]) -> None:
    if recipe not in TIMED:
        cells = SCRIPTS[recipe].read_text("utf-8").replace("train:words_per_second", "")
        assert not re.search(r"seconds?\b", cells), recipe
        return
    timed = [number for number, command in enumerate(commands) if re.fullmatch(TIMED[recipe], command.system)]
    assert timed, recipe
    assert not [command.system for command in commands[min(timed) :] if command.kind == "train"], recipe


def enough_checkpoints_are_saved_whatever_the_length_of_an_epoch(recipe: str, commands: List[Command]) -> None:
    averages = {name: int(given["num_update_checkpoints"]) for kind, name, given in commands if kind == "average"}
    for kind, system, options in commands:
        if kind != "train" or system not in averages:
            continue
        interval, last = options["save_interval_updates"], int(options["max_update"])
        lost = epochs_without_checkpoints(interval, last, averages[system])
        tokens = AN_EPOCH.get(recipe, AN_EPOCH.get(recipe.split("/")[0], 0))
        least = int(tokens / (1.01 * options["tokens"]))  # a batch may be 1 % larger
        assert {epoch for epoch in lost if epoch > least} <= {1, interval}, (recipe, system)


@pytest.mark.parametrize("recipe", SCRIPTS)
def test_settings_are_the_papers(recipe: str) -> None:
    # not in tests of their own, which would print and parse every recipe once more in another process
    decoding_is_timed_after_the_last_training(recipe, _commands(recipe))
    enough_checkpoints_are_saved_whatever_the_length_of_an_epoch(recipe, _commands(recipe))
    rows, wrong, missing = _rows(), [], []
    for kind, system, options in _commands(recipe):
        found = set()
        for row in rows:
            expected = row.expected(recipe, kind, system)
            if expected is None:
                continue
            name = row.option.replace("-", "_")
            found.add(name)
            if not _equal(options.get(name), expected):
                wrong.append(f"{system}: {row.option} {options.get(name)}, expected {expected} ({row.source})")
        needed = {"average": ["num_update_checkpoints"], "decode": ["beam", "lenpen"]}.get(kind, [])
        if kind == "train":
            needed = [*ALWAYS, "tokens" if "tokens" in options else "sentences"]
            for option, values in BY_VALUE.items():
                needed += values.get(options[option], ())
            needed += [f"{side}_layers" for side in ("encoder", "decoder") if options.get(f"{side}_layers")]
        missing += [f"{system}: {kind} {name}" for name in needed if name not in found]
    assert not wrong
    assert not missing


def test_every_row_is_of_some_command_and_has_a_source() -> None:
    known = set(re.findall(r"^\| (\[\w+\])", (RECIPES.parent / "docs" / "references.md").read_text("utf-8"), re.M))
    commands = [(recipe, command) for recipe in SCRIPTS for command in _commands(recipe)]
    for row in _rows():
        assert any(row.expected(recipe, command.kind, command.system) for recipe, command in commands), row
        keys = set(re.findall(r"\[\w+\]", row.source))
        assert keys <= known, row
        assert keys or row.source.startswith(("our choice", "tensor2tensor 1.6")), row


# Redefines the function that all trainings call: it prints the batches on 1 to 8 GPUs, or that they are refused
EVERY_NUMBER_OF_GPUS = """
fairseq_train() {
    local ranks batches
    for ranks in {1..8}; do
        if split_batch "$3" "$4" "$ranks"; then echo "batch $(basename "$(dirname "$2")")|$ranks|$3|${batches[*]}"
        else echo "batch $(basename "$(dirname "$2")")|$ranks|$3|refused"; fi
    done
}
"""
# by tokens or sentences per update: the numbers of GPUs on which no division is within 1 %, with 1,024 tokens on each
# and whole blocks of a language model
REFUSED = {
    "1024": [2, 3, 4, 5, 6, 7, 8], "2048": [3, 4, 5, 6, 7, 8], "4096": [5, 6, 7, 8], "73728": [5, 7],
    "128 sentences": [5, 6, 7],
}  # fmt: skip


def test_batches_are_the_papers_on_every_number_of_gpus_or_refused(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    shutil.copytree(str(RECIPES), str(recipes), ignore=shutil.ignore_patterns("work", "results", "__pycache__"))
    with (recipes / "common" / "recipe.sh").open("a", encoding="utf-8") as file:
        file.write(EVERY_NUMBER_OF_GPUS)
    refused: Dict[str, List[int]] = {}
    trained = set()
    for name in SCRIPTS:
        for words in printed_commands(recipes / f"{name}.sh", "paper", WORK):
            if words[0] != "batch":
                continue
            system, ranks_, batch, options = " ".join(words[1:]).split("|")
            ranks, whole = int(ranks_), int(batch.split()[0])
            trained.add(name)
            if options == "refused":
                if ranks not in refused.setdefault(batch, []):
                    refused[batch].append(ranks)
                continue
            numbers = dict(zip(options.split()[::2], map(int, options.split()[1::2])))
            tokens = numbers.get("--max-tokens", 0)
            effective = ranks * numbers.get("--update-freq", 1) * (tokens or numbers["--batch-size"])
            assert 0 <= effective - whole <= 0.01 * whole, (name, system, ranks, options)
            assert ranks == 1 or not tokens or tokens >= 1024, (name, system, ranks, options)
    assert trained == set(SCRIPTS) - {"ckd/table2", "tied_multi/table4"}
    assert refused == REFUSED


def test_jobs_divide_the_gpus(printed: Any) -> None:  # noqa: F811
    lines = printed(
        "for JOBS in 1 2 3 4; do for number in {1..8}; do gpus=($(seq $number)); "
        'for slot in $(seq 0 $((JOBS - 1))); do (take_share $slot; echo "$number $JOBS ${#mine[@]}"); done; done; done',
        GPUS="8",
    )
    shares = [tuple(map(int, line.split())) for line in lines]
    assert len(shares) == 8 * (1 + 2 + 3 + 4)
    assert all(share == max(gpus // jobs, 1) for gpus, jobs, share in shares)


@pytest.mark.parametrize(
    ("recipe", "gpus", "jobs", "message"),
    [
        ("flexible_depth/table5", "8", "1", "4096 tokens per update: not possible on 8 GPUs within 1 %, with at least"),
        ("layer_sharing/table5", "5", "1", "73728 tokens per update: not possible on 5 GPUs within 1 %, with at least"),
        ("sequence_kd/table2", "7", "1", "128 sentences per update: not possible on 7 GPUs within 1 %; expected one"),
        ("tied_multi/table3", "6", "2", "2048 tokens per update: not possible on 3 GPUs within 1 %, with at least"),
    ],
)
def test_a_recipe_refuses_gpus_at_its_start(recipe: str, gpus: str, jobs: str, message: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with pytest.raises(RuntimeError, match=re.escape(f"error: {message}")):
        # not a dry run; SOURCE: no server is asked
        printed_commands(SCRIPTS[recipe], "paper", work, DRY_RUN="", GPUS=gpus, JOBS=jobs, SOURCE=str(tmp_path))
    assert not work.exists()


def test_speed_on_the_cpu_is_measured_in_single_precision() -> None:
    commands = printed_commands(SCRIPTS["sequence_kd/table2"], "paper", WORK, GPUS="1", FP16="1")
    sweeps = [command for command in commands if command[1] == "sweep"]
    half = {Path(_after(tuple(command), "--output")).name: "--fp16" in command for command in sweeps}
    assert half == {"cpu-1": False, "cpu-5": False, "gpu-1": True, "gpu-5": True}
    assert all(("--cpu" in command) == ("/cpu-" in _after(tuple(command), "--output")) for command in sweeps)


def test_no_precision_is_halved_without_a_gpu() -> None:
    commands = printed_commands(SCRIPTS["tied_multi/table1"], "paper", WORK, GPUS="0", FP16="1")
    assert not any("--fp16" in command for command in commands)


def test_only_updates_decide_when_to_save_and_validate() -> None:
    for recipe in SCRIPTS:
        for kind, system, options in _commands(recipe):
            if kind == "train" and not system.endswith("-tuned"):  # which trains for minutes and does not validate
                interval = options["save_interval_updates"]
                assert 0 < interval == options["validate_interval_updates"], (recipe, system)
                assert options["save_interval"] == options["validate_interval"] == 1000000, (recipe, system)
