"""The weights that ``fairseq-flexdepth distill --select all`` gives its pairs (sequence_kd, footnote 5)."""

import os
from typing import Any, Dict, List

import numpy
import torch
from fairseq.data import BaseWrapperDataset

from fairseq_flexdepth.files.checkpoints import brief


class WeightedSentences(BaseWrapperDataset):
    """A data set whose batches also hold ``sentence_weights``, one a sentence.

    Args:
        dataset: fairseq's.
        path: the file of weights, in the order of the data.

    Raises:
        ValueError: the file is damaged, or there are more or fewer weights than sentences.
    """

    def __init__(self, dataset: Any, path: str) -> None:
        super().__init__(dataset)
        try:
            # double: fairseq's trainer halves what is in single precision, where the smallest would be 0
            self.weights = torch.from_numpy(numpy.load(path, allow_pickle=False)).double()
        except (EOFError, OSError, TypeError, ValueError) as error:
            reason = f"not the weights of fairseq-flexdepth distill, or damaged: {brief(error)}"
            raise ValueError(f"{path}: {reason}") from error
        if len(self.weights) != len(dataset):
            raise ValueError(f"{path}: holds {len(self.weights)} weights for {len(dataset)} sentences")

    def __getattr__(self, name: str) -> Any:
        """What else the data set has: its two sides, their sizes, ..."""
        if name == "dataset":  # not yet there
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def collater(self, samples: List[Any], **options: Any) -> Dict[str, Any]:
        """fairseq's batch and its weights."""
        batch = self.dataset.collater(samples, **options)
        if batch:
            batch["sentence_weights"] = self.weights[batch["id"]]
        return batch


def weights_file(folder: str, split: str, source_lang: Any, target_lang: Any) -> str:
    """Where the weights of a split are, if it has any."""
    return os.path.join(folder, f"{split}.{source_lang}-{target_lang}.weights.npy")
