"""Batches of one depth pair each."""

import pickle
from typing import List

import numpy
from fairseq.data import FairseqDataset

from fairseq_flexdepth.decoding.batches_by_depth import BatchesByDepth


class Batched(FairseqDataset):
    """A data set of sentences that are nothing but their lengths."""

    def __init__(self, lengths: List[int]) -> None:
        super().__init__()
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def num_tokens(self, index: int) -> int:
        return self.lengths[index]


def test_batches_of_one_depth_each_survive_pickling() -> None:
    grouped = BatchesByDepth(Batched([3, 1, 2, 1, 3]), lambda batches: numpy.array([0, 1, 0, 1, 1]))
    assert [list(batch) for batch in grouped.batch_by_size(numpy.arange(5), max_sentences=2)] == [[0, 2], [1, 3], [4]]
    assert len(pickle.loads(pickle.dumps(grouped))) == 5
