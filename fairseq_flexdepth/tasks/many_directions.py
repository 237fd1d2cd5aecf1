"""A task of fairseq for several directions: its mistakes in one line."""

import os
from argparse import Namespace
from typing import Any, Dict, Sequence

from fairseq import utils
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import dataset_exists
from fairseq.models import BaseFairseqModel

from fairseq_flexdepth.files import binarised_data
from fairseq_flexdepth.tasks.any_depth_task import AnyDepthTask


class ManyDirectionsTask(AnyDepthTask):
    """Mixin for the tasks of fairseq with ``--lang-pairs``."""

    args: Namespace
    dicts: Dict[str, Dictionary]  # by language
    lang_pairs: Sequence[str]  # of a training, or the direction that is decoded

    @classmethod
    def setup_task(cls, cfg: Namespace, **kwargs: Any) -> Any:
        """Load the dictionaries of all languages.

        Raises:
            ValueError: as :class:`AnyDepthTask`, or ``--lang-pairs`` is no list of pairs, only one language of the
                direction is given, or the dictionaries do not fit each other.
        """
        pairs = cfg.lang_pairs.split(",") if isinstance(cfg.lang_pairs, str) else cfg.lang_pairs or []
        for pair in pairs:
            if pair.count("-") != 1 or not all(pair.split("-")):
                raise ValueError(f"--lang-pairs {','.join(pairs)}: expected pairs such as de-en,en-de, given {pair}")
        given = {"--source-lang": cfg.source_lang, "--target-lang": cfg.target_lang}
        missing = [option for option, language in given.items() if language is None]
        if len(missing) == 1:
            option = next(option for option in given if option not in missing)
            raise ValueError(f"{option} {given[option]}: expected {missing[0]}, too")
        try:
            return super().setup_task(cfg, **kwargs)
        except AssertionError as error:
            raise ValueError(f"DATA {cfg.data}: {error or 'the dictionaries do not fit each other'}") from error

    def build_generator(self, models: Sequence[BaseFairseqModel], *args: Any, **kwargs: Any) -> Any:
        """Build the beam search of one direction.

        Raises:
            ValueError: no direction is given.
        """
        if self.args.target_lang is None:
            raise ValueError("--source-lang, --target-lang: required, the direction to decode")
        return super().build_generator(models, *args, **kwargs)

    def load_dataset(self, split: str, epoch: int = 1, **kwargs: Any) -> None:
        """Load a split of all directions.

        Raises:
            ValueError: a direction has no such split, its files are damaged or made with other dictionaries, or a
                language tag is missing from a dictionary.
        """
        self.check_files(split, combine=True, dictionaries=dict(self.dicts))
        try:
            super().load_dataset(split, epoch, **kwargs)
        except (FileNotFoundError, KeyError) as error:
            missing = [pair for pair in self.lang_pairs if not self._has(split, pair)]
            if not missing:
                raise
            impl = self.args.dataset_impl
            raise binarised_data.no_such_split(self.args.data, split, missing[0].split("-"), impl) from error
        except AssertionError as error:
            if "language token" not in str(error):
                raise
            raise ValueError(f"--langtoks, --langtoks-specs: {error}") from error

    def _has(self, split: str, pair: str) -> bool:
        """Whether a data directory has a split of this direction or of the opposite one."""
        source, target = pair.split("-")
        prefixes = [
            os.path.join(folder, f"{split}.{direction}.{source}")
            for folder in utils.split_paths(self.args.data)
            for direction in (pair, f"{target}-{source}")
        ]
        return any(dataset_exists(prefix, self.args.dataset_impl) for prefix in prefixes)
