"""Learning to choose a sentence's depth pair before it is decoded (tied_multi §4)."""

import glob
import logging
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional

from fairseq.data import Dictionary, data_utils
from fairseq.data.indexed_dataset import get_available_dataset_impl
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.tasks import FairseqTask
from omegaconf import II, MISSING
from torch import Tensor

from fairseq_flexdepth.compat import register_task
from fairseq_flexdepth.criterions.depth_selection_base import DepthSelectionCriterion
from fairseq_flexdepth.files.binarised_data import check_split, name_of, named_batching_mistakes, read_dictionary
from fairseq_flexdepth.files.depth_labels import DepthLabels, check_labels, labels_file, load_labels
from fairseq_flexdepth.models.depth_selector import DEFAULT_WIDTH, translation_embeddings
from fairseq_flexdepth.tasks.labelled_sentences import LabelledSentences
from fairseq_flexdepth.tasks.resuming import portable

logger = logging.getLogger(__name__)


@dataclass
class DepthSelectionConfig(FairseqDataclass):
    """Options of ``--task depth_selection``."""

    data: str = field(default=MISSING, metadata={"help": "the folder that fairseq-flexdepth oracle wrote"})
    source_lang: Optional[str] = field(
        default=None, metadata={"help": "source language (default: that of the only dict.LANG.txt in DATA)"}
    )
    max_source_positions: int = field(default=1024, metadata={"help": "the longest source sentence, in tokens"})
    train_subset: str = II("dataset.train_subset")
    dataset_impl: Optional[ChoiceEnum(get_available_dataset_impl())] = II(  # type: ignore[valid-type]
        "dataset.dataset_impl"
    )


@register_task("depth_selection", dataclass=DepthSelectionConfig)
class DepthSelectionTask(FairseqTask):
    """Source sentences in, one output a depth pair out; what the pairs are comes from the training labels."""

    cfg: DepthSelectionConfig

    def __init__(self, cfg: DepthSelectionConfig, language: str, dictionary: Dictionary) -> None:
        super().__init__(cfg)
        self.language = language
        self.dictionary = dictionary

    @classmethod
    def setup_task(cls, cfg: DepthSelectionConfig, **kwargs: Any) -> "DepthSelectionTask":
        """Load the dictionary.

        Raises:
            ValueError: there is no such folder, or no such or no single source language in it.
        """
        if not os.path.isdir(cfg.data):
            raise ValueError(f"DATA {cfg.data}: no such directory; expected one made by fairseq-flexdepth oracle")
        language = _source_language(cfg.data, cfg.source_lang)
        dictionary = read_dictionary(os.path.join(cfg.data, f"dict.{language}.txt"))
        logger.info("[%s] dictionary: %d types", language, len(dictionary))
        return cls(cfg, language, dictionary)

    @cached_property
    def labels(self) -> DepthLabels:
        """The labels of the training subset.

        Raises:
            ValueError: there are none.
        """
        option = f"--train-subset {self.cfg.train_subset}"
        labels = load_labels(self.cfg.data, self.cfg.train_subset, option)
        _check_not_empty(labels, labels_file(self.cfg.data, self.cfg.train_subset))
        return labels

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> None:
        """Load a split's sentences and labels; sentences without labels are left out.

        Raises:
            ValueError: the split is missing or without any labels, or its labels do not match its sentences or are of
                other depth pairs than those of the training subset.
        """
        path = labels_file(self.cfg.data, split)
        training = split == self.cfg.train_subset
        labels = self.labels if training else load_labels(self.cfg.data, split, f"DATA {self.cfg.data}")
        _check_format(self.cfg.dataset_impl)
        check_split(self.cfg.data, split, combine=False, dictionaries={self.language: self.dictionary})
        prefix = os.path.join(self.cfg.data, f"{split}.{self.language}")
        source = data_utils.load_indexed_dataset(prefix, self.dictionary, self.cfg.dataset_impl)
        if source is None:
            raise ValueError(f"DATA {self.cfg.data}: no sentences {prefix}.bin, .idx to the labels {path}")
        check_labels(labels, path, source, self.dictionary)
        _check_not_empty(labels, path)
        if labels.pairs != self.labels.pairs:
            raise ValueError(
                f"{path}: labels of the depth pairs {labels.pairs}; those of --train-subset {self.cfg.train_subset} "
                f"are of {self.labels.pairs}"
            )
        these, trained = labels.record, self.labels.record
        if these.get("metric") != trained.get("metric"):
            raise ValueError(
                f"{path}: scores by {these.get('metric')}; those of --train-subset {self.cfg.train_subset} are by "
                f"{trained.get('metric')}"
            )
        if these.get("models") != trained.get("models"):
            raise ValueError(f"{path}: made of other models than the labels of --train-subset {self.cfg.train_subset}")
        dataset = LabelledSentences(source, labels, self.dictionary.pad(), shuffle=training)
        if len(dataset) < len(labels):
            logger.info("%s: %d of %d sentences have no labels", path, len(labels) - len(dataset), len(labels))
        self.datasets[split] = dataset

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Build the selector; one that is not to be loaded from a checkpoint takes its embeddings from another model.

        The width is written to *cfg*, which checkpoints keep: to load them takes no other file.

        Raises:
            ValueError: another architecture, ``--store-ema``, or embeddings of ``--init-embeddings-from`` that are
                missing or do not fit.
        """
        if not hasattr(cfg, "init_embeddings_from"):
            given = getattr(cfg, "_name", None) or getattr(cfg, "arch", None)
            raise ValueError(f"--arch {given}: expected --arch depth_selector with --task depth_selection")
        if from_checkpoint:
            return super().build_model(cfg, from_checkpoint)
        if cfg.store_ema:
            raise ValueError(
                "--store-ema: fairseq's moving average fails on the depth pairs in a selector, which are integers; "
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

    def build_criterion(self, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's.

        Raises:
            ValueError: a criterion of other tasks, such as fairseq's default.
        """
        criterion = super().build_criterion(*args, **kwargs)
        if not isinstance(criterion, DepthSelectionCriterion):
            raise ValueError(
                f"--criterion: expected depth_selection or cost_aware_depth_selection with --task depth_selection, "
                f"given a {type(criterion).__name__}"
            )
        return criterion

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's.

        Raises:
            ValueError: a sentence is too long.
        """
        split = name_of(dataset, self.datasets)
        with named_batching_mistakes(split or "input", kwargs.get("max_tokens")):
            return portable(super().get_batch_iterator(dataset, *args, **kwargs))

    def max_positions(self) -> int:
        return self.cfg.max_source_positions

    @property
    def source_dictionary(self) -> Dictionary:
        return self.dictionary

    @property
    def target_dictionary(self) -> None:
        return None


def _source_language(folder: str, given: Optional[str]) -> str:
    found = sorted(
        os.path.basename(path)[len("dict.") : -len(".txt")]
        for path in glob.glob(os.path.join(glob.escape(folder), "dict.*.txt"))
    )
    there = ", ".join(f"dict.{language}.txt" for language in found) or "no dict.LANG.txt"
    if given is not None and given not in found:
        raise ValueError(f"--source-lang {given}: {folder} has {there}")
    if given is None and len(found) != 1:
        raise ValueError(f"--source-lang: needed where DATA has not one dictionary; {folder} has {there}")
    return given or found[0]


def _check_format(impl: Optional[str]) -> None:
    if impl not in (None, "mmap"):
        raise ValueError(f"--dataset-impl {impl}: fairseq-flexdepth oracle writes mmap; leave the option out")


def _width(cfg: Any, embeddings: Optional[Tensor]) -> int:
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
