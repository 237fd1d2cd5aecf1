"""recipe_settings.tsv: the settings of every recipe at its paper's scale.

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
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from fairseq_flexdepth.cli.fairseq_options import quiet
from recipes.common.dry_run import recipe_scripts, without_redirection
from tests.command_lines import check_fairseq_command
from tests.integration.test_recipe_machine import epochs_without_checkpoints

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
    """A command that a recipe prints: its kind, its system and its words."""

    kind: str
    system: str
    words: Tuple[str, ...]

    def options(self) -> Dict[str, Any]:
        """The options and their values; fairseq's parsers read those of trainings and decodings."""
        words = self.words
        if self.kind == "average":
            return {"num_update_checkpoints": _after(words, "--num-update-checkpoints")}
        if self.kind == "held-out":
            return {"sentences": _after(words, "--sentences")}
        if self.kind == "text":
            settings = dict(word.split("=", 1) for word in words[1 : words.index("bash")])
            return {name.lower(): value for name, value in settings.items()}
        options = dict(vars(parsed(words)))
        if self.kind == "train" and options["batch_size"] is not None:
            options["sentences"] = options["batch_size"] * options["update_freq"][0]
        elif self.kind == "train":
            options["tokens"] = options["max_tokens"] * options["update_freq"][0]
        return options


def settings_rows() -> List[Row]:
    """The rows of the table."""
    with Path(__file__).with_name("recipe_settings.tsv").open(encoding="utf-8", newline="") as lines:
        return [Row(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _after(command: Tuple[str, ...], option: str) -> str:
    return command[len(command) - command[::-1].index(option)]


@functools.lru_cache(maxsize=None)  # recipes of a paper have common systems
def parsed(command: Tuple[str, ...]) -> Optional[argparse.Namespace]:
    """fairseq's options of a command, read by its program's parser; ``None`` if it has none."""
    with quiet():
        return check_fairseq_command(list(command))


def _command(words: Tuple[str, ...], output: str) -> Optional[Command]:
    """The command, or ``None`` if it is of no kind that the table has."""
    if words[0] == "fairseq-train":
        return Command("train", Path(_after(words, "--save-dir")).parent.name, words)
    if words[:2] == ("fairseq-flexdepth", "average"):
        return Command("average", Path(_after(words, "--inputs")).parent.name, words)
    if words[0] == "fairseq-generate" or words[:2] in [("fairseq-flexdepth", name) for name in ("sweep", "oracle")]:
        into = output or Path(_after(words, "--output")).name
        return Command("decode", f"{Path(_after(words, '--path')).parts[-3]}/{into}", words)
    if words[:2] == ("fairseq-flexdepth", "distill"):
        return Command("decode", f"distill/{Path(_after(words, '--dest')).name}", words)
    if words[0] == "env" and Path(words[-2]).parent.name == "data":
        return Command("text", Path(words[-2]).stem, words)
    if "recipes.tied_multi.held_out" in words:
        return Command("held-out", Path(words[3]).parts[-3], words)
    return None


def settings_commands(lines: List[List[str]]) -> List[Command]:
    """The commands in the lines of a dry run, with the outputs of decoding in the system's name."""
    found = []
    for words in lines:
        output = Path(words[-1]).with_suffix("").name if ">" in words else ""
        command = _command(tuple(without_redirection(words)), output)
        if command is not None:
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


def check_timed_decoding(recipe: str, commands: List[Command]) -> None:
    """Decoding is timed after the last training."""
    if recipe not in TIMED:
        cells = recipe_scripts()[recipe].read_text("utf-8").replace("train:words_per_second", "")
        assert not re.search(r"seconds?\b", cells), recipe
        return
    timed = [number for number, command in enumerate(commands) if re.fullmatch(TIMED[recipe], command.system)]
    assert timed, recipe
    assert not [command.system for command in commands[min(timed) :] if command.kind == "train"], recipe


def check_checkpoints(recipe: str, commands: List[Command]) -> None:
    """Enough checkpoints are saved, whatever the length of an epoch, and only updates decide when."""
    averages = {one.system: int(one.options()["num_update_checkpoints"]) for one in commands if one.kind == "average"}
    for command in commands:
        if command.kind != "train":
            continue
        system, options = command.system, command.options()
        interval, last = options["save_interval_updates"], int(options["max_update"])
        if not system.endswith("-tuned"):  # which trains for minutes and does not validate
            assert 0 < interval == options["validate_interval_updates"], (recipe, system)
            assert options["save_interval"] == options["validate_interval"] == 1000000, (recipe, system)
        if system in averages:
            lost = epochs_without_checkpoints(interval, last, averages[system])
            tokens = AN_EPOCH.get(recipe, AN_EPOCH.get(recipe.split("/")[0], 0))
            least = int(tokens / (1.01 * options["tokens"]))  # a batch may be 1 % larger
            assert {epoch for epoch in lost if epoch > least} <= {1, interval}, (recipe, system)


def check_settings(recipe: str, commands: List[Command]) -> None:
    """Every setting that matters has a row, and its value."""
    rows, wrong, missing = settings_rows(), [], []
    for command in commands:
        kind, system, options = command.kind, command.system, command.options()
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
