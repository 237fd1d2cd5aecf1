"""Source sentences with the score of their translation at each depth pair: the data of ``--task depth_selection``."""

from typing import Any, Dict, List, Sequence

import numpy
import torch
from fairseq.data import FairseqDataset, data_utils
from torch import Tensor

from fairseq_flexdepth.files.depth_labels import DepthLabels
from fairseq_flexdepth.protocols import Sample


class LabelledSentences(FairseqDataset):
    """The sentences of a split that have labels.

    Args:
        source: all sentences of the split, each ending in the end symbol.
        labels: the labels of these sentences.
        padding: the number of the padding symbol.
        shuffle: whether batches take sentences in random order, as in training, or by length.
    """

    def __init__(self, source: FairseqDataset, labels: DepthLabels, padding: int, shuffle: bool) -> None:
        super().__init__()
        self.source = source
        self.padding = padding
        self.shuffle = shuffle
        self.rows = numpy.flatnonzero(labels.labelled)
        self.sizes = numpy.asarray(source.sizes)[self.rows]
        self.best = torch.from_numpy(labels.best[self.rows]).float()
        # In double precision: --fp16 halves the float32 tensors of a batch: it would round a score of 80 by up to 0.03.
        self.scores = torch.from_numpy(labels.scores[self.rows].astype(numpy.float64))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Dict[str, Any]:
        row = int(self.rows[index])
        return {"id": row, "source": self.source[row], "best": self.best[index], "scores": self.scores[index]}

    def collater(self, samples: List[Dict[str, Any]]) -> Sample:
        """A batch with its sentences padded on the left, as in translation, and the longest first."""
        if not samples:
            return {}
        samples = sorted(samples, key=lambda sample: -len(sample["source"]))
        lengths = torch.tensor([len(sample["source"]) for sample in samples])
        source: Tensor = data_utils.collate_tokens(
            [sample["source"] for sample in samples], self.padding, left_pad=True
        )
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),  # the sentence's number in the split
            "nsentences": len(samples),
            "ntokens": int(lengths.sum()),
            "net_input": {"src_tokens": source, "src_lengths": lengths},  # batch × source length, batch
            "target": torch.stack([sample["best"] for sample in samples]),  # batch × pairs, 1: a best pair
            "scores": torch.stack([sample["scores"] for sample in samples]),  # batch × pairs, 0 to 100
        }

    def num_tokens(self, index: int) -> int:
        """The length of a sentence, in tokens."""
        return int(self.sizes[index])

    def num_tokens_vec(self, indices: numpy.ndarray) -> numpy.ndarray:
        """The lengths of several sentences, in tokens."""
        return self.sizes[indices]

    def size(self, index: int) -> int:
        """The length of a sentence, in tokens, as fairseq compares it with ``--max-source-positions``."""
        return int(self.sizes[index])

    def ordered_indices(self) -> numpy.ndarray:
        """The order in which batches take sentences: by length, or random in training.

        The best depth pair depends on the length: in training, batches of one length would have one label.
        """
        return numpy.random.permutation(len(self)) if self.shuffle else numpy.argsort(self.sizes, kind="mergesort")

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """False: fairseq-fixed shuffles with the number of the first epoch, so a resumed run would differ."""
        return False

    @property
    def supports_prefetch(self) -> bool:
        """Whether the source sentences can be read ahead."""
        return bool(getattr(self.source, "supports_prefetch", False))

    def prefetch(self, indices: Sequence[int]) -> None:
        """Read these sentences ahead."""
        self.source.prefetch(self.rows[numpy.asarray(indices, dtype=numpy.int64)])
