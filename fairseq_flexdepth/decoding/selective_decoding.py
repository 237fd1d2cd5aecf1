"""Selective decoding: every sentence at the depth pair that a selector chooses for it [dabre2020] §4."""

import logging
import time
from collections import defaultdict, deque
from typing import Any, Deque, Dict, Optional, Sequence

import numpy

from fairseq_flexdepth.decoding.batches_by_depth import Batches, BatchesByDepth
from fairseq_flexdepth.decoding.final_report import FinalReport
from fairseq_flexdepth.decoding.model_depth import common_pairs
from fairseq_flexdepth.decoding.selectors import Selector
from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.protocols import FlexibleModel, Sample, SentencePairs

logger = logging.getLogger(__name__)


class SelectiveDecoding:
    """Decodes every sentence at its own depth pair, and logs the pairs used and the time.

    Args:
        selector: chooses the depth pairs.
        name: the value of ``--depth-selector``, for the log and for error messages.
    """

    def __init__(self, selector: Selector, name: str) -> None:
        self.selector = selector
        self.name = name
        self._chosen: numpy.ndarray = numpy.empty(0, dtype=numpy.int64)  # per sentence, an index into selector.pairs
        self._queue: Deque[int] = deque()  # per batch still to be decoded, an index into selector.pairs
        self._report_due = FinalReport(self._log_report)
        self._reset_counts()

    def _reset_counts(self) -> None:
        self._used: Dict[DepthPair, int] = defaultdict(int)
        self._choosing = self._decoding = 0.0  # seconds

    def group(self, dataset: SentencePairs, split: Optional[str], models: Sequence[FlexibleModel]) -> BatchesByDepth:
        """Group *dataset*, which *models* decode next, so that each batch has one depth pair.

        Args:
            dataset: fairseq's data set.
            split: the name of the split; ``None`` for typed input.
            models: all models of the ensemble.

        Raises:
            ValueError: when the batches are made, if the models support other depth pairs than the selector.
        """

        def choose(batches: Batches) -> numpy.ndarray:
            start = time.perf_counter()
            if dataset.supports_prefetch:  # --dataset-impl cached can read only prefetched sentences
                dataset.prefetch(range(len(dataset)))
            device = next(models[0].parameters()).device
            self._chosen = self.selector.choose(dataset, split, batches, device)
            self._check_pairs(models)
            self._choosing += time.perf_counter() - start
            return self._chosen

        return BatchesByDepth(dataset, choose)

    def expect(self, iterator: Any) -> None:
        """Note the batches of fairseq's *iterator*, which are decoded next; the report is logged after the last one."""
        batches = iterator.frozen_batches[iterator.shard_id :: iterator.num_shards]
        self._queue = deque(int(self._chosen[batch[0]]) for batch in batches)
        self._report_due.expect(iterator)

    def set_depth(self, models: Sequence[FlexibleModel], sample: Sample) -> DepthPair:
        """Set the depth of *models* to the depth pair of the batch *sample*, and return the pair."""
        pair = self.selector.pairs[self._pair_of(sample)]
        for model in models:
            model.set_depth(*pair)
        return pair

    def count(self, pair: DepthPair, sentences: int, seconds: float) -> None:
        """Add a decoded batch to the counts; log the report after the last expected batch."""
        self._used[pair] += sentences
        self._decoding += seconds
        self._report_due.count(sentences)

    def _pair_of(self, sample: Sample) -> int:
        """The depth pair of a batch, as an index into ``selector.pairs``."""
        if "id" in sample:
            chosen = self._chosen[sample["id"].tolist()]
            assert (chosen == chosen[0]).all(), "a batch of several depth pairs"
            return int(chosen[0])
        # fairseq-interactive passes on only the tokens of a batch, without ids. It decodes the batches in order.
        self._report_due.wait_for_exit()
        return self._queue.popleft()

    def _check_pairs(self, models: Sequence[FlexibleModel]) -> None:
        supported = common_pairs(models)
        pairs = self.selector.pairs
        fits = sorted(pairs) == sorted(supported) if self.selector.covers_space else set(pairs) <= set(supported)
        if not fits:
            raise ValueError(
                f"--depth-selector {self.name}: chooses from depths {_text(pairs)}; the model has {_text(supported)}"
            )

    def _log_report(self) -> None:
        logger.info("%s", self._report())
        self._reset_counts()

    def _report(self) -> str:
        sentences = sum(self._used.values())
        used = ", ".join(f"{pair} {count:,}" for pair, count in sorted(self._used.items()))
        line = (
            f"depths of {sentences:,} sentences by {self.name}: {used}; "
            f"choosing took {self._choosing:.2f} s, decoding {self._decoding:.2f} s"
        )
        if self.selector.relative_seconds is None or not sentences:
            return line
        relative = dict(zip(self.selector.pairs, self.selector.relative_seconds))
        cost = sum(relative[pair] * count for pair, count in self._used.items())
        deepest = self._decoding * sentences / cost
        saved = 100 * (1 - (self._choosing + self._decoding) / deepest)
        compared = f"{abs(saved):.0f} % {'less' if saved >= 0 else 'more'}"
        return f"{line}, {compared} than all sentences at the deepest pair, by the times that oracle measured"


def _text(pairs: Sequence[DepthPair]) -> str:
    return " ".join(f"({n},{m})" for n, m in sorted(pairs))
