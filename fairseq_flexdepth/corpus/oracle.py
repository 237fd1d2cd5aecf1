"""How good every depth pair is for every sentence (tied_multi §4.1): what ``fairseq-flexdepth oracle`` saves."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

import numpy

from fairseq_flexdepth.corpus.every_depth import EveryDepth
from fairseq_flexdepth.corpus.hypothesis_filter import sentence_bleu, sentence_chrf
from fairseq_flexdepth.corpus.scores import SACREBLEU, corpus_scores
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.depth.space import DepthPair, from_fastest
from fairseq_flexdepth.depth.trade_off import fastest_of_best
from fairseq_flexdepth.files.checksums import dictionary_checksum, source_checksum
from fairseq_flexdepth.files.depth_labels import DepthLabels


class SentenceScores(NamedTuple):
    """A sentence at every pair."""

    number: int  # in the data
    scores: Optional[List[float]]  # one a pair, if it has any
    oracle: str  # its translation at the oracle's pair
    deepest: str  # and at the deepest


class Oracle:
    """Translates batches at every depth pair and scores each translation against its reference.

    Args:
        split: the data and the models.
        metric: ``chrf`` or ``bleu``, of sentences.

    Raises:
        ValueError: there are no references, or as :class:`EveryDepth`.
    """

    def __init__(self, split: Split, metric: str) -> None:
        split.require_references("oracle")
        self.split = split
        self.every_depth = EveryDepth(split)
        self.pairs = self.every_depth.pairs
        self.from_fastest = from_fastest(self.pairs)
        self.score = sentence_chrf() if metric == "chrf" else sentence_bleu(split.bleu_tokenizer)

    def judge(self, number: int, batch: Sequence[int]) -> List[Any]:
        """What batch *number* took at each pair, in seconds, and each of its sentences :class:`SentenceScores`."""
        decoded = self.every_depth.decode(number, batch)
        seconds = [decoded[pair].seconds for pair in self.pairs]
        return [seconds, [self._judge(index, [decoded[pair].texts[index] for pair in self.pairs]) for index in batch]]

    def _judge(self, index: int, texts: List[str]) -> SentenceScores:
        deepest = self.from_fastest[-1]
        reference = self.split.reference_text(index)
        if not reference or int(self.split.dataset.src_sizes[index]) <= 1:  # the end of sentence alone
            return SentenceScores(int(index), None, texts[deepest], texts[deepest])
        found = {text: self.score(text, reference) for text in dict.fromkeys(texts)}
        scores = [found[text] for text in texts]
        oracle = int(fastest_of_best(numpy.asarray(scores), numpy.asarray(self.from_fastest)))
        return SentenceScores(int(index), scores, texts[oracle], texts[deepest])


class OracleResults:
    """All sentences of a split, judged.

    Args:
        oracle: what judged them.
        made_by: what shapes the scores, for the record: ``metric`` and ``models``.
        results: those of all batches, each as :meth:`Oracle.judge` returns them.

    Raises:
        ValueError: no sentence has labels.
    """

    def __init__(self, oracle: Oracle, made_by: Dict[str, Any], results: Iterable[List[Any]]) -> None:
        split, pairs = oracle.split, oracle.pairs
        size = len(split.dataset)
        self._split = split
        self._texts: Dict[str, Dict[int, str]] = {"oracle": {}, "deepest": {}}  # of the sentences that were decoded
        scores = numpy.full((size, len(pairs)), numpy.nan)
        share = numpy.zeros((size, len(pairs)))  # of its batch's seconds
        batch_seconds: List[List[float]] = []
        for seconds, sentences in results:
            batch_seconds.append(seconds)
            for index, found, oracle_text, deepest_text in sentences:
                self._texts["oracle"][index], self._texts["deepest"][index] = oracle_text, deepest_text
                share[index] = numpy.asarray(seconds) / len(sentences)
                if found is not None:
                    scores[index] = found
        if numpy.isnan(scores).all():
            raise ValueError(
                f"--gen-subset {split.cfg.dataset.gen_subset}: no sentence can be labelled; expected sources and "
                "references that are not empty"
            )
        decoded = len(self._texts["deepest"])
        record = {
            **made_by,
            "sentences": size,
            "source": source_checksum(split.dataset.src),
            "dictionary": dictionary_checksum(split.task.source_dictionary),
        }
        seconds = _typical_seconds(batch_seconds, oracle.from_fastest[-1], decoded)
        self.labels = DepthLabels(pairs, scores, seconds, record)
        self.skipped = size - decoded
        self.empty = decoded - int(self.labels.labelled.sum())
        self._share = share

    def report(self) -> Dict[str, Any]:
        """What ``<split>.oracle.json`` holds: every pair's share of the oracle's choices, and what they bring."""
        labels = self.labels
        references = [self._split.reference_text(index) for index in self._texts["deepest"]]
        chosen = {"oracle": labels.oracle, "deepest": numpy.full(len(labels), labels.deepest)}
        means = labels.scores[labels.labelled].mean(axis=0)
        wins = numpy.bincount(labels.oracle[labels.labelled], minlength=len(labels.pairs))
        return {
            "split": self._split.cfg.dataset.gen_subset,
            "sentences": len(labels),
            "labelled": int(labels.labelled.sum()),
            "metric": labels.record["metric"],
            "beam": self._split.cfg.generation.beam,
            "pairs": [
                {
                    "enc_layers": n,
                    "dec_layers": m,
                    "quality": round(float(means[column]), 3),
                    "seconds": round(float(self._share[:, column].sum()), 3),
                    "oracle": int(wins[column]),
                    "among_best": int(labels.best[:, column].sum()),
                }
                for column, (n, m) in enumerate(labels.pairs)
            ],
            **{name: self._summary(name, columns, references) for name, columns in chosen.items()},
        }

    def _summary(self, name: str, columns: Any, references: List[str]) -> Dict[str, Any]:
        labels, rows = self.labels, numpy.arange(len(self.labels))
        return {
            **corpus_scores(list(self._texts[name].values()), references, self._split.bleu_text or SACREBLEU),
            "quality": round(float(labels.scores[rows, columns][labels.labelled].mean()), 3),
            "seconds": round(float(self._share[rows, columns].sum()), 3),
        }


def _typical_seconds(batches: List[List[float]], deepest: int, sentences: int) -> Any:
    """What a sentence takes at each pair: the mean at the deepest, and the others in proportion.

    Args:
        batches: the seconds of each batch at each pair; other work on the machine disturbs some of them.
        deepest: the deepest pair's column.
        sentences: of all batches.
    """
    seconds = numpy.asarray(batches)
    proportions = numpy.median(seconds / seconds[:, deepest : deepest + 1], axis=0)
    return proportions * seconds[:, deepest].sum() / sentences


def oracle_shares(report: Dict[str, Any]) -> Dict[DepthPair, float]:
    """How often the oracle chooses each pair, in percent of the sentences that have labels (tied_multi, Figure 2)."""
    return {
        (row["enc_layers"], row["dec_layers"]): 100.0 * row["oracle"] / report["labelled"] for row in report["pairs"]
    }
