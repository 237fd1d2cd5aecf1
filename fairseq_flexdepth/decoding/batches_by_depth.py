"""Batches in which all sentences have the same depth pair, for decoding with ``--depth-selector``."""

from typing import Any, Callable, Dict, List, Sequence, Union

import numpy
from fairseq.data import BaseWrapperDataset

from fairseq_flexdepth.protocols import SentencePairs

# The sentence numbers of each batch.
Batches = Sequence[Sequence[int]]


class BatchesByDepth(BaseWrapperDataset):
    """A data set that groups its sentences by depth pair before it makes batches of them.

    A batch runs at one depth pair; grouping first keeps the batches full.

    Args:
        dataset: fairseq's data set.
        choose: takes the batches that fairseq makes by itself; returns an integer per sentence of the data set, equal
            for sentences of the same depth pair.
    """

    def __init__(self, dataset: SentencePairs, choose: Callable[[Batches], numpy.ndarray]) -> None:
        super().__init__(dataset)
        self._choose = choose

    def batch_by_size(self, indices: Union[numpy.ndarray, Sequence[int]], **options: Any) -> List[Any]:
        """The batches of all depth pairs, one pair after another; arguments as in fairseq's data sets."""
        chosen = self._choose(self.dataset.batch_by_size(indices, **options))
        indices = numpy.asarray(indices)
        chosen = chosen[indices]  # a depth pair per element of indices
        batches: List[Any] = []
        for pair in numpy.unique(chosen):
            batches.extend(self.dataset.batch_by_size(indices[chosen == pair], **options))
        return batches

    def __getstate__(self) -> Dict[str, Any]:
        """The state for data-loading processes, which need no *choose*: the batches are made by then."""
        return {**self.__dict__, "_choose": None}
