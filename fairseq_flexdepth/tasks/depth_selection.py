"""``--task depth_selection``: train a selector, which predicts a sentence's depth pair before decoding.

[dabre2020] §4.
"""

import glob
import logging
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional

from fairseq.criterions import FairseqCriterion
from fairseq.data import Dictionary, data_utils
from fairseq.data.indexed_dataset import get_available_dataset_impl
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models import BaseFairseqModel
from omegaconf import II, MISSING
from torch import Tensor

from fairseq_flexdepth.compat import register_task
from fairseq_flexdepth.criterions.depth_selection_base import DepthSelectionCriterion
from fairseq_flexdepth.files.binarised_data import check_split, read_dictionary
from fairseq_flexdepth.files.depth_labels import DepthLabels, check_labels, labels_file, load_labels
from fairseq_flexdepth.models.depth_selector import DEFAULT_WIDTH, translation_embeddings
from fairseq_flexdepth.protocols import Options
from fairseq_flexdepth.tasks.labelled_sentences import LabelledSentences
from fairseq_flexdepth.tasks.resuming import PortableBatchesTask

logger = logging.getLogger(__name__)


@dataclass
class DepthSelectionConfig(FairseqDataclass):
    """Options of ``--task depth_selection``."""

    data: str = field(default=MISSING, metadata={"help": "the folder with labels that fairseq-flexdepth oracle wrote"})
    source_lang: Optional[str] = field(
        default=None, metadata={"help": "source language (default: the language of the only dict.LANG.txt in DATA)"}
    )
    max_source_positions: int = field(default=1024, metadata={"help": "maximum length of a source sentence, in tokens"})
    train_subset: str = II("dataset.train_subset")
    dataset_impl: Optional[ChoiceEnum(get_available_dataset_impl())] = II(  # type: ignore[valid-type]
        "dataset.dataset_impl"
    )


@register_task("depth_selection", dataclass=DepthSelectionConfig)
class DepthSelectionTask(PortableBatchesTask):
    """Classification of source sentences, with one output per depth pair; the training labels name the pairs."""

    cfg: DepthSelectionConfig

    def __init__(self, cfg: DepthSelectionConfig, language: str, dictionary: Dictionary) -> None:
        super().__init__(cfg)
        self.language = language
        self.dictionary = dictionary

    @classmethod
    def setup_task(cls, cfg: DepthSelectionConfig, **kwargs: Any) -> "DepthSelectionTask":
        """Load the dictionary.

        Raises:
            ValueError: the folder is missing, has no dictionary of the source language, or has dictionaries of several
                languages and none was chosen.
        """
        if not os.path.isdir(cfg.data):
            raise ValueError(f"DATA {cfg.data}: no such directory; expected one made by fairseq-flexdepth oracle")
        language = _source_language(cfg.data, cfg.source_lang)
        dictionary = read_dictionary(os.path.join(cfg.data, f"dict.{language}.txt"))
        logger.info("[%s] dictionary: %d types", language, len(dictionary))
        return cls(cfg, language, dictionary)

    @cached_property
    def labels(self) -> DepthLabels:
        """The labels of ``--train-subset``.

        Raises:
            ValueError: there is no file of labels, or no sentence in it has labels.
        """
        option = f"--train-subset {self.cfg.train_subset}"
        labels = load_labels(self.cfg.data, self.cfg.train_subset, option)
        _check_not_empty(labels, labels_file(self.cfg.data, self.cfg.train_subset))
        return labels

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> None:
        """Load the sentences of a split and their labels; sentences without labels are left out.

        Raises:
            ValueError: the split is missing or has no labels, its labels belong to other sentences, or they differ from
                the labels of ``--train-subset`` in their depth pairs, metric or models.
        """
        path = labels_file(self.cfg.data, split)
        training = split == self.cfg.train_subset
        labels = self.labels if training else load_labels(self.cfg.data, split, f"DATA {self.cfg.data}")
        _check_format(self.cfg.dataset_impl)
        check_split(self.cfg.data, split, combine=False, dictionaries={self.language: self.dictionary})
        prefix = os.path.join(self.cfg.data, f"{split}.{self.language}")
        source = data_utils.load_indexed_dataset(prefix, self.dictionary, self.cfg.dataset_impl)
        if source is None:
            raise ValueError(f"DATA {self.cfg.data}: {prefix}.bin or .idx is missing, the sentences of {path}")
        check_labels(labels, path, source, self.dictionary)
        _check_not_empty(labels, path)
        if labels.pairs != self.labels.pairs:
            raise ValueError(
                f"{path}: has labels of the depth pairs {labels.pairs}; expected {self.labels.pairs}, the pairs of "
                f"--train-subset {self.cfg.train_subset}"
            )
        these, trained = labels.record, self.labels.record
        if these.get("metric") != trained.get("metric"):
            raise ValueError(
                f"{path}: has scores by {these.get('metric')}; expected {trained.get('metric')}, the metric of "
                f"--train-subset {self.cfg.train_subset}"
            )
        if these.get("models") != trained.get("models"):
            raise ValueError(f"{path}: was made with other models than --train-subset {self.cfg.train_subset}")
        dataset = LabelledSentences(source, labels, self.dictionary.pad(), shuffle=training)
        if len(dataset) < len(labels):
            logger.info("%s: %d of %d sentences have no labels", path, len(labels) - len(dataset), len(labels))
        self.datasets[split] = dataset

    def build_model(self, cfg: Options, from_checkpoint: bool = False) -> BaseFairseqModel:
        """Build the selector; in training, its embeddings may come from ``--init-embeddings-from``.

        The width is written to *cfg*, which checkpoints keep: no other file is needed to load them.

        Raises:
            ValueError: the architecture is not ``depth_selector``, ``--store-ema`` is given, or the embeddings are
                missing or do not fit.
        """
        if not hasattr(cfg, "init_embeddings_from"):
            given = getattr(cfg, "_name", None) or getattr(cfg, "arch", None)
            raise ValueError(f"--arch {given}: expected --arch depth_selector with --task depth_selection")
        if from_checkpoint:
            return super().build_model(cfg, from_checkpoint)
        if cfg.store_ema:
            raise ValueError(
                "--store-ema: not supported, fairseq cannot average the depth pairs in a selector, which are integers; "
                "use fairseq-flexdepth average"
            )
        embeddings = None
        if cfg.init_embeddings_from is not None:
            embeddings = translation_embeddings(cfg.init_embeddings_from, self.dictionary)
        cfg.encoder_embed_dim = _width(cfg, embeddings)
        model = super().build_model(cfg, from_checkpoint)
        if embeddings is not None:
            model.initialise_embeddings(embeddings)
        return model

    def build_criterion(self, *args: Any, **kwargs: Any) -> FairseqCriterion:
        """Build the criterion.

        Raises:
            ValueError: the criterion is for another task, as fairseq's default is.
        """
        criterion = super().build_criterion(*args, **kwargs)
        if not isinstance(criterion, DepthSelectionCriterion):
            raise ValueError(
                f"--criterion: expected depth_selection or cost_aware_depth_selection with --task depth_selection, "
                f"given a {type(criterion).__name__}"
            )
        return criterion

    def max_positions(self) -> int:
        """The maximum length of a source sentence, in tokens."""
        return self.cfg.max_source_positions

    @property
    def source_dictionary(self) -> Dictionary:
        """The dictionary of the source language."""
        return self.dictionary

    @property
    def target_dictionary(self) -> None:
        """``None``: nothing is translated."""
        return None


def _source_language(folder: str, given: Optional[str]) -> str:
    """The source language: the *given* one, or the only one with a dictionary in *folder*."""
    found = sorted(
        os.path.basename(path)[len("dict.") : -len(".txt")]
        for path in glob.glob(os.path.join(glob.escape(folder), "dict.*.txt"))
    )
    there = ", ".join(f"dict.{language}.txt" for language in found) or "no dict.LANG.txt"
    if given is not None and given not in found:
        raise ValueError(f"--source-lang {given}: {folder} has {there}")
    if given is None and len(found) != 1:
        raise ValueError(f"--source-lang: required unless DATA has exactly one dictionary; {folder} has {there}")
    return given or found[0]


def _check_format(impl: Optional[str]) -> None:
    if impl not in (None, "mmap"):
        raise ValueError(f"--dataset-impl {impl}: fairseq-flexdepth oracle writes mmap; leave the option out")


def _width(cfg: Options, embeddings: Optional[Tensor]) -> int:
    """The embedding width: of the *embeddings* if there are any, which must agree with the option."""
    given = cfg.encoder_embed_dim
    if embeddings is None:
        return int(given or DEFAULT_WIDTH)
    width = embeddings.size(1)
    if given not in (None, width):
        raise ValueError(
            f"--encoder-embed-dim {given}: the embeddings of --init-embeddings-from {cfg.init_embeddings_from} have "
            f"{width} dimensions"
        )
    return width


def _check_not_empty(labels: DepthLabels, path: str) -> None:
    if not labels.labelled.any():
        raise ValueError(f"{path}: none of its {len(labels)} sentences has labels; expected at least one")
