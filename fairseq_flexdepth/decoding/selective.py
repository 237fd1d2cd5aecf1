"""Selective decoding: every sentence at the depth pair chosen for it, in batches of one pair each."""

import atexit
import logging
import time
from collections import defaultdict, deque
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence

import numpy
from fairseq.data import BaseWrapperDataset

from fairseq_flexdepth.decoding.depth import common_pairs
from fairseq_flexdepth.decoding.selectors import Batches, DepthChooser
from fairseq_flexdepth.depth.space import DepthPair

logger = logging.getLogger(__name__)


class BatchesByDepth(BaseWrapperDataset):
    """A data set whose batches hold sentences of one depth pair each, so that they stay full.

    Args:
        dataset: fairseq's.
        choose: the column of every sentence's depth pair, from fairseq's own batches.
    """

    def __init__(self, dataset: Any, choose: Callable[[Batches], Any]) -> None:
        super().__init__(dataset)
        self._choose = choose

    def batch_by_size(self, indices: Any, **options: Any) -> List[Any]:
        """fairseq's batches of the sentences of one pair after the other."""
        columns = self._choose(self.dataset.batch_by_size(indices, **options))
        indices = numpy.asarray(indices)
        chosen = columns[indices]
        batches: List[Any] = []
        for column in numpy.unique(chosen):
            batches.extend(self.dataset.batch_by_size(indices[chosen == column], **options))
        return batches

    def __getstate__(self) -> Dict[str, Any]:
        """All that processes which load data need: the batches are made by then."""
        return {**self.__dict__, "_choose": None}


class SelectiveDecoding:
    """Lets models decode every sentence at its own depth, and counts what that costs.

    Args:
        chooser: chooses the depth pairs.
        name: what stands behind ``--depth-selector``.
    """

    def __init__(self, chooser: DepthChooser, name: str) -> None:
        self.chooser = chooser
        self.name = name
        self._columns: Any = None
        self._queue: Deque[int] = deque()  # the columns of the batches to come
        self._expected = 0
        self._reports_at_exit = False
        self._forget()

    def _forget(self) -> None:
        self._used: Dict[DepthPair, int] = defaultdict(int)
        self._choosing = self._decoding = 0.0

    def group(self, dataset: Any, split: Optional[str], models: Sequence[Any]) -> BatchesByDepth:
        """*dataset*, whose batches *models* are to decode next, in batches of one depth pair each.

        Args:
            dataset: fairseq's.
            split: its name, if it is a split of the data.
            models: all that decode.

        Raises:
            ValueError: the models have other depths than the chooser, when the batches are made.
        """

        def choose(batches: Batches) -> Any:
            start = time.perf_counter()
            if dataset.supports_prefetch:  # --dataset-impl cached reads nothing else
                dataset.prefetch(range(len(dataset)))
            device = next(models[0].parameters()).device
            self._columns = self.chooser.choose(dataset, split, batches, device)
            self._check_pairs(models)
            self._choosing += time.perf_counter() - start
            return self._columns

        return BatchesByDepth(dataset, choose)

    def expect(self, iterator: Any) -> None:
        """The batches of fairseq's *iterator* come next, in order; after the last one the log sums up."""
        batches = iterator.frozen_batches[iterator.shard_id :: iterator.num_shards]
        self._queue = deque(int(self._columns[batch[0]]) for batch in batches)
        self._expected = sum(map(len, batches))

    def set_depth(self, models: Sequence[Any], sample: Dict[str, Any]) -> DepthPair:
        """Let *models* decode the batch *sample* at its depth pair."""
        pair = self.chooser.pairs[self._column(sample)]
        for model in models:
            model.set_depth(*pair)
        return pair

    def count(self, pair: DepthPair, sentences: int, seconds: float) -> None:
        """Note that a batch was decoded."""
        self._used[pair] += sentences
        self._decoding += seconds
        self._expected -= sentences
        if self._expected == 0 and not self._reports_at_exit:
            self._log_report()

    def _column(self, sample: Dict[str, Any]) -> int:
        if "id" in sample:
            columns = self._columns[sample["id"].tolist()]
            assert (columns == columns[0]).all(), "a batch of several depth pairs"
            return int(columns[0])
        # fairseq-interactive hands on nothing of a batch but its tokens. It decodes all batches in order, and reads a
        # few sentences at a time: what they add up to is known at its end.
        if not self._reports_at_exit:
            self._reports_at_exit = True
            atexit.register(self._log_report)
        return self._queue.popleft()

    def _check_pairs(self, models: Sequence[Any]) -> None:
        supported = common_pairs(models)
        pairs = self.chooser.pairs
        fits = sorted(pairs) == sorted(supported) if self.chooser.covers_space else set(pairs) <= set(supported)
        if not fits:
            raise ValueError(
                f"--depth-selector {self.name}: chooses from depths {_text(pairs)}; the model has {_text(supported)}"
            )

    def _log_report(self) -> None:
        logger.info("%s", self._report())
        self._forget()

    def _report(self) -> str:
        sentences = sum(self._used.values())
        used = ", ".join(f"{pair} {count:,}" for pair, count in sorted(self._used.items()))
        line = (
            f"depths of {sentences:,} sentences by {self.name}: {used}; "
            f"choosing took {self._choosing:.2f} s, decoding {self._decoding:.2f} s"
        )
        if self.chooser.relative_seconds is None or not sentences:
            return line
        relative = dict(zip(self.chooser.pairs, self.chooser.relative_seconds))
        cost = sum(relative[pair] * count for pair, count in self._used.items())
        deepest = self._decoding * sentences / cost
        saved = 100 * (1 - (self._choosing + self._decoding) / deepest)
        compared = f"{abs(saved):.0f} % {'less' if saved >= 0 else 'more'}"
        return f"{line}, {compared} than all at the deepest by the times that oracle measured"


def _text(pairs: Sequence[DepthPair]) -> str:
    return " ".join(f"({n},{m})" for n, m in sorted(pairs))
