"""Sentence weights as ``fairseq-flexdepth distill --select all`` writes them ([kim2016] footnote 5)."""

import os
from typing import Any, List, Optional

import numpy
import torch
from fairseq.data import BaseWrapperDataset, FairseqDataset

from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.protocols import Sample


class WeightedSentences(BaseWrapperDataset):
    """A data set whose batches also hold ``sentence_weights``, one per sentence: a tensor of shape (batch,).

    Args:
        dataset: fairseq's data set.
        path: the file with one weight per sentence, in the order of the data.

    Raises:
        ValueError: the file is damaged, or the numbers of weights and sentences differ.
    """

    def __init__(self, dataset: FairseqDataset, path: str) -> None:
        super().__init__(dataset)
        try:
            # In double precision: --fp16 halves float32 tensors of a batch, and the smallest weights would become 0.
            self.weights = torch.from_numpy(numpy.load(path, allow_pickle=False)).double()
        except (EOFError, OSError, TypeError, ValueError) as error:
            reason = f"not the weights of fairseq-flexdepth distill, or damaged: {brief(error)}"
            raise ValueError(f"{path}: {reason}") from error
        if len(self.weights) != len(dataset):
            raise ValueError(f"{path}: holds {len(self.weights)} weights for {len(dataset)} sentences")

    def __getattr__(self, name: str) -> Any:
        """Any other attribute of the data set: its two sides, their sizes, ..."""
        if name == "dataset":  # not set yet: without this check, an endless recursion
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def collater(self, samples: List[Any], **options: Any) -> Sample:
        """fairseq's batch, with the weights of its sentences."""
        batch = self.dataset.collater(samples, **options)
        if batch:
            batch["sentence_weights"] = self.weights[batch["id"]]
        return batch


def weights_file(folder: str, split: str, source_lang: Optional[str], target_lang: Optional[str]) -> str:
    """The path of the file with the weights of a split, which need not exist."""
    return os.path.join(folder, f"{split}.{source_lang}-{target_lang}.weights.npy")


def with_weights(dataset: FairseqDataset, path: str, criterion_weighs: bool) -> FairseqDataset:
    """*dataset* with the weights in the file *path*, or as it is if there is no such file.

    Raises:
        ValueError: there are weights, and the criterion ignores them (*criterion_weighs* is false).
    """
    if not os.path.exists(path):
        return dataset
    if not criterion_weighs:
        raise ValueError(
            f"DATA {path}: the criterion would ignore these weights; use --criterion word_kd --kd-alpha 0, which "
            "trains like label_smoothed_cross_entropy, or another criterion of this package"
        )
    return WeightedSentences(dataset, path)
