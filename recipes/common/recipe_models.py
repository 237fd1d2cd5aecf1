"""The models that a recipe trains: their options as fairseq parses them, their dictionaries and their teachers."""

import os
from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from fairseq.models import ARCH_MODEL_NAME_REGISTRY, MODEL_DATACLASS_REGISTRY

from fairseq_flexdepth.cli.fairseq_options import parse_training_options, quiet
from recipes.common.dry_run import is_training, option
from recipes.common.model_size import ModelSize, model_size
from recipes.common.recipe_data import BinarisedData


class RecipeModel(NamedTuple):
    """A model that a recipe trains."""

    options: Namespace  # all options of fairseq-train, defaults included
    size: ModelSize
    teachers: Tuple["RecipeModel", ...]  # of --teacher-path


class RecipeModels:
    """The models of a recipe, by the folder that their training saves to.

    Args:
        commands: the commands of the recipe's dry run.
    """

    def __init__(self, commands: List[List[str]]) -> None:
        self._trainings = {option(command, "--save-dir"): command for command in commands if is_training(command)}
        self._data = BinarisedData(commands)
        self._models: Dict[str, RecipeModel] = {}

    def folders(self) -> List[str]:
        """Return the folders of all trainings, one per seed, in the order of the recipe."""
        return list(self._trainings)

    def model(self, folder: str) -> RecipeModel:
        """Return the model of a folder; a link to another system is followed.

        Raises:
            ValueError: the recipe does not train it.
        """
        folder = self._data.original(folder)
        if folder not in self._trainings:
            raise ValueError(f"{folder}: no training of the recipe saves there")
        if folder not in self._models:
            self._models[folder] = self._parsed(self._trainings[folder])
        return self._models[folder]

    def of_checkpoint(self, path: str) -> RecipeModel:
        """Return the model of a checkpoint.

        Raises:
            ValueError: the recipe does not train it.
        """
        return self.model(os.path.dirname(path))

    def _parsed(self, command: List[str]) -> RecipeModel:
        with quiet():
            options = _with_defaults(parse_training_options(command[1:], command[1]))
        embeddings: Optional[str] = getattr(options, "init_embeddings_from", None)
        if embeddings and options.encoder_embed_dim is None:
            options.encoder_embed_dim = self.of_checkpoint(embeddings).options.encoder_embed_dim
        paths: Optional[str] = getattr(options, "teacher_path", None)
        teachers = tuple(self.of_checkpoint(path) for path in paths.split(os.pathsep)) if paths else ()
        return RecipeModel(options, model_size(options, self._data.words(command[1])), teachers)


def _with_defaults(options: Namespace) -> Namespace:
    """Add the model's options that fairseq fills in only when it builds the model: those that no preset sets."""
    config = MODEL_DATACLASS_REGISTRY.get(ARCH_MODEL_NAME_REGISTRY[options.arch])
    for missing in fields(config) if config is not None else ():
        if not hasattr(options, missing.name):
            setattr(options, missing.name, missing.default)
    return options


def system_of(folder: str) -> str:
    """Return the name of the system whose seed saves to *folder*."""
    return Path(folder).parent.name
