"""The disk space of a recipe: its checkpoints, by system, and its data.

A checkpoint of fairseq-train has 4 bytes per parameter, and as many for every moment of the optimizer. Averaged and
pruned checkpoints have no moments.
"""

from argparse import Namespace
from collections import defaultdict
from typing import Dict, List

from recipes.common.dry_run import is_training, option
from recipes.common.recipe_data import data_bytes
from recipes.common.recipe_models import RecipeModel, RecipeModels, system_of

BYTES = 4  # of a parameter in single precision
GIGABYTE = 1e9


def moments(options: Namespace) -> int:
    """Return the number of values that the optimizer keeps per parameter."""
    if options.optimizer == "adam":
        return 2
    return int(options.optimizer == "nag" or getattr(options, "momentum", 0) > 0)


def checkpoint_bytes(model: RecipeModel) -> float:
    """Return the size of a checkpoint from which a training can resume."""
    saved = 0 if model.options.no_save_optimizer_state else moments(model.options)
    return BYTES * model.size.total * (1 + saved)


def kept_checkpoints(options: Namespace) -> int:
    """Return the number of checkpoints that a finished training leaves, --keep-interval-updates among them."""
    last_and_best = 2 - options.no_last_checkpoints - options.disable_validation
    return last_and_best + _interval_checkpoints(options)


def _interval_checkpoints(options: Namespace) -> int:
    """The checkpoints of --save-interval-updates that are kept; with no limit, all."""
    if not options.save_interval_updates:
        return 0
    made = options.max_update // options.save_interval_updates
    return made if options.keep_interval_updates < 0 else min(made, options.keep_interval_updates)


class DiskSpace:
    """The checkpoints of a recipe's systems, in bytes.

    Args:
        commands: the commands of the recipe's dry run.
        keep_all: whether the checkpoints that averaging has used stay (``KEEP=all``).

    Raises:
        ValueError: a command needs a model that the recipe does not train.
    """

    def __init__(self, commands: List[List[str]], keep_all: bool = False) -> None:
        models = RecipeModels(commands)
        self.after: Dict[str, float] = defaultdict(float)  # by folder: when the recipe has ended
        self.more: Dict[str, float] = {}  # by folder: what its training needs beyond that
        self.data = data_bytes(commands)
        averaged = {option(command, "--inputs") for command in commands if command[1:2] == ["average"]}
        for command in commands:
            if is_training(command):
                folder = option(command, "--save-dir")
                model = models.model(folder)
                one, deleted = checkpoint_bytes(model), 0
                if folder in averaged and not keep_all:
                    deleted = _interval_checkpoints(model.options)
                self.after[folder] += one * (kept_checkpoints(model.options) - deleted)
                self.more[folder] = one * (deleted + 1)  # a new checkpoint is written before an old one is removed
            elif command[:2] in (["fairseq-flexdepth", "average"], ["fairseq-flexdepth", "prune"]):
                source = option(command, "--inputs") if "average" in command else option(command, "--path")
                model = models.model(source) if "average" in command else models.of_checkpoint(source)
                self.after[option(command, "--output").rpartition("/")[0]] += BYTES * model.size.total

    def systems(self) -> Dict[str, float]:
        """Return the space of every system, with all its seeds, when the recipe has ended."""
        total: Dict[str, float] = defaultdict(float)
        for folder, size in self.after.items():
            total[system_of(folder)] += size
        return total

    def peak(self, jobs: int) -> float:
        """Return the largest space, data included, if *jobs* systems are trained at the same time."""
        training = sorted(self.more.values(), reverse=True)[:jobs]
        return self.data + sum(self.after.values()) + sum(training)


def gigabytes(commands: List[List[str]], keep_all: bool = False, jobs: int = 1) -> float:
    """Return the disk space that a recipe needs at most, in GB (10⁹ bytes).

    Args:
        commands: the commands of the recipe's dry run.
        keep_all: whether the checkpoints that averaging has used stay (``KEEP=all``).
        jobs: the number of systems that are trained at the same time (``JOBS``).
    """
    return DiskSpace(commands, keep_all).peak(jobs) / GIGABYTE
