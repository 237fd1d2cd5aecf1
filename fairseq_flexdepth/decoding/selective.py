"""Selective decoding: every sentence at the depth pair chosen for it, in batches of one pair each."""

import logging
import time
from collections import Counter
from functools import cached_property
from typing import Any, Callable, Dict, List, Optional, Sequence
from typing import Counter as CounterType

import numpy
import torch
from fairseq.data import BaseWrapperDataset

from fairseq_flexdepth.decoding.depth import common_pairs
from fairseq_flexdepth.decoding.depth_choosers import Batches, DepthChooser
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


class SelectiveDecoding:
    """Lets models decode every sentence at its own depth, and counts what that costs.

    Args:
        chooser: chooses the depth pairs.
        name: what stands behind ``--depth-selector``.
    """

    def __init__(self, chooser: DepthChooser, name: str) -> None:
        self.chooser = chooser
        self.name = name
        self._dataset: Any = None
        self._columns: Any = None
        self._expected = 0
        self._used: CounterType[DepthPair] = Counter()
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
        self._dataset = dataset
        self.__dict__.pop("_column_of_tokens", None)

        def choose(batches: Batches) -> Any:
            start = time.perf_counter()
            device = next(models[0].parameters()).device
            self._columns = self.chooser.choose(dataset, split, batches, device)
            self._check_pairs(models)
            self._choosing += time.perf_counter() - start
            return self._columns

        return BatchesByDepth(dataset, choose)

    def expect(self, iterator: Any) -> None:
        """Report when all sentences of fairseq's *iterator* are decoded."""
        batches = iterator.frozen_batches[iterator.shard_id :: iterator.num_shards]
        self._expected += sum(map(len, batches))

    def set_depth(self, models: Sequence[Any], sample: Dict[str, Any]) -> DepthPair:
        """Let *models* decode the batch *sample* at its depth pair."""
        pair = self.chooser.pairs[self._column(sample)]
        for model in models:
            model.set_depth(*pair)
        return pair

    def count(self, pair: DepthPair, sentences: int, seconds: float) -> None:
        """Note that a batch was decoded; after the last one the log says how often each pair was used."""
        self._used[pair] += sentences
        self._decoding += seconds
        self._expected -= sentences
        if self._expected <= 0:
            logger.info("%s", self._report())
            self._used.clear()
            self._expected = 0
            self._choosing = self._decoding = 0.0

    def _column(self, sample: Dict[str, Any]) -> int:
        if "id" in sample:
            columns = self._columns[sample["id"].tolist()]
            assert (columns == columns[0]).all(), "a batch of several depth pairs"
            return int(columns[0])
        # fairseq-interactive hands on nothing of a batch but its tokens.
        tokens = sample["net_input"]["src_tokens"][0].cpu()
        return self._column_of_tokens[_key(tokens[tokens != self._dataset.src_dict.pad()])]

    @cached_property
    def _column_of_tokens(self) -> Dict[bytes, int]:
        return {_key(self._dataset.src[index]): int(column) for index, column in enumerate(self._columns)}

    def _check_pairs(self, models: Sequence[Any]) -> None:
        supported = common_pairs(models)
        pairs = self.chooser.pairs
        fits = sorted(pairs) == sorted(supported) if self.chooser.covers_space else set(pairs) <= set(supported)
        if not fits:
            raise ValueError(
                f"--depth-selector {self.name}: chooses from depths {_text(pairs)}; the model has {_text(supported)}"
            )

    def _report(self) -> str:
        sentences = sum(self._used.values())
        used = ", ".join(f"{pair} {count:,}" for pair, count in sorted(self._used.items()))
        line = (
            f"depths of {sentences:,} sentences by {self.name}: {used}; "
            f"choosing took {self._choosing:.2f} s, decoding {self._decoding:.2f} s"
        )
        if self.chooser.relative_seconds is None:
            return line
        relative = dict(zip(self.chooser.pairs, self.chooser.relative_seconds))
        cost = sum(relative[pair] * count for pair, count in self._used.items())
        deepest = self._decoding * sentences / cost
        saved = 100 * (1 - (self._choosing + self._decoding) / deepest)
        return f"{line}, {saved:.0f} % less than all at the deepest by the times that oracle measured"


def _key(tokens: torch.Tensor) -> bytes:
    return tokens.numpy().astype(numpy.int64).tobytes()


def _text(pairs: Sequence[DepthPair]) -> str:
    return " ".join(f"({n},{m})" for n, m in sorted(pairs))
