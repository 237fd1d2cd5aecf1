"""Source sentences with what each depth pair's translation of them scored."""

from typing import Any, Dict, List

import numpy
import torch
from fairseq.data import FairseqDataset, data_utils
from torch import Tensor

from fairseq_flexdepth.files.depth_labels import DepthLabels


class LabelledSentences(FairseqDataset):
    """The sentences of a split that have labels.

    Args:
        source: all sentences of the split, each ending in the end symbol.
        labels: theirs.
        padding: the dictionary's padding symbol.
        shuffle: whether sentences come in random order, as in training, or by length.
    """

    def __init__(self, source: Any, labels: DepthLabels, padding: int, shuffle: bool) -> None:
        super().__init__()
        self.source = source
        self.padding = padding
        self.shuffle = shuffle
        self.rows = numpy.flatnonzero(labels.labelled)
        self.sizes = numpy.asarray(source.sizes)[self.rows]
        self.best = torch.from_numpy(labels.best[self.rows]).float()
        # Double: under --fp16 fairseq halves what is float, which leaves a score of 80 a precision of 0.06.
        self.scores = torch.from_numpy(labels.scores[self.rows].astype(numpy.float64))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Dict[str, Any]:
        row = int(self.rows[index])
        return {"id": row, "source": self.source[row], "best": self.best[index], "scores": self.scores[index]}

    def collater(self, samples: List[Dict[str, Any]]) -> Dict[str, Any]:
        """A batch, its sentences padded on the left as in translation and the longest first."""
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
            "target": torch.stack([sample["best"] for sample in samples]),  # batch × pairs, 1: among the best
            "scores": torch.stack([sample["scores"] for sample in samples]),  # batch × pairs, 0 to 100
        }

    def num_tokens(self, index: int) -> int:
        return int(self.sizes[index])

    def num_tokens_vec(self, indices: Any) -> Any:
        return self.sizes[indices]

    def size(self, index: int) -> int:
        return int(self.sizes[index])

    def ordered_indices(self) -> Any:
        """From short to long, in training at random: the best pair goes by length, and so would whole batches."""
        return numpy.random.permutation(len(self)) if self.shuffle else numpy.argsort(self.sizes, kind="mergesort")

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Not so: fairseq-fixed shuffles by the epoch in which it starts, so that a resumed run would differ."""
        return False

    @property
    def supports_prefetch(self) -> bool:
        return bool(getattr(self.source, "supports_prefetch", False))

    def prefetch(self, indices: Any) -> None:
        self.source.prefetch(self.rows[numpy.asarray(indices, dtype=numpy.int64)])
