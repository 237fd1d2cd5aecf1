"""The score of every sentence at every depth pair, for ``fairseq-flexdepth oracle`` [dabre2020] §4.1."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

import numpy

from fairseq_flexdepth.corpus.every_depth import EveryDepth
from fairseq_flexdepth.corpus.scores import SACREBLEU, corpus_scores, sentence_bleu, sentence_chrf
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.depth.supported_depths import DepthPair, from_fastest
from fairseq_flexdepth.depth.trade_off import fastest_of_best
from fairseq_flexdepth.files.checksums import dictionary_checksum, source_checksum
from fairseq_flexdepth.files.depth_labels import DepthLabels


class SentenceScores(NamedTuple):
    """The scores and translations of one sentence."""

    number: int  # of the sentence in the data
    scores: Optional[List[float]]  # one per depth pair; None for an empty source or reference
    oracle: str  # the translation at the oracle's depth pair
    deepest: str  # the translation at the deepest pair


class Oracle:
    """Translates batches at every depth pair and scores each translation against its reference.

    Args:
        split: the data and the models.
        metric: the sentence score, ``chrf`` or ``bleu``.

    Raises:
        ValueError: the split has no references, or :class:`EveryDepth` refuses the models.
    """

    def __init__(self, split: Split, metric: str) -> None:
        split.require_references("oracle")
        self.split = split
        self.every_depth = EveryDepth(split)
        self.pairs = self.every_depth.pairs
        self.from_fastest = from_fastest(self.pairs)
        self.score = sentence_chrf() if metric == "chrf" else sentence_bleu(split.bleu_tokenizer)

    def score_batch(self, number: int, batch: Sequence[int]) -> List[Any]:
        """Translate and score one batch.

        Args:
            number: the batch's number, which seeds sampling.
            batch: its sentence numbers.

        Returns:
            The seconds that the batch took at each depth pair, and a list of :class:`SentenceScores`.
        """
        decoded = self.every_depth.decode(number, batch)
        seconds = [decoded[pair].seconds for pair in self.pairs]
        texts = {index: [decoded[pair].texts[index] for pair in self.pairs] for index in batch}
        return [seconds, [self._score_sentence(index, texts[index]) for index in batch]]

    def _score_sentence(self, index: int, texts: List[str]) -> SentenceScores:
        deepest = self.from_fastest[-1]
        reference = self.split.reference_text(index)
        if not reference or int(self.split.pairs.src_sizes[index]) <= 1:  # the end symbol alone
            return SentenceScores(int(index), None, texts[deepest], texts[deepest])
        found = {text: self.score(text, reference) for text in dict.fromkeys(texts)}
        scores = [found[text] for text in texts]
        oracle = int(fastest_of_best(numpy.asarray(scores), numpy.asarray(self.from_fastest)))
        return SentenceScores(int(index), scores, texts[oracle], texts[deepest])


class OracleResults:
    """The labels of a split and a report about them, from the scores of all batches.

    Args:
        oracle: the oracle that scored the batches.
        made_by: the settings that determine the scores, saved with the labels: ``metric`` and ``models``.
        results: the results of :meth:`Oracle.score_batch` for every batch.

    Raises:
        ValueError: no sentence has a score.
    """

    def __init__(self, oracle: Oracle, made_by: Dict[str, Any], results: Iterable[List[Any]]) -> None:
        split, pairs = oracle.split, oracle.pairs
        size = len(split.dataset)
        self._split = split
        self._texts: Dict[str, Dict[int, str]] = {"oracle": {}, "deepest": {}}  # by sentence number
        scores = numpy.full((size, len(pairs)), numpy.nan)
        share = numpy.zeros((size, len(pairs)))  # the seconds of the batch, divided by its sentences
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
            "source": source_checksum(split.pairs.src),
            "dictionary": dictionary_checksum(split.task.source_dictionary),
        }
        seconds = _seconds_per_sentence(batch_seconds, oracle.from_fastest[-1], decoded)
        self.labels = DepthLabels(pairs, scores, seconds, record)
        self.skipped = size - decoded
        self.empty = decoded - int(self.labels.labelled.sum())
        self._share = share

    def report(self) -> Dict[str, Any]:
        """The contents of ``<split>.oracle.json``.

        For each depth pair: its mean score, its time, and the number of sentences for which the oracle chooses it. For
        the oracle's choices, and for all sentences at the deepest pair: corpus scores, mean score and time.
        """
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
                    "quality": round(float(means[index]), 3),
                    "seconds": round(float(self._share[:, index].sum()), 3),
                    "oracle": int(wins[index]),
                    "among_best": int(labels.best[:, index].sum()),
                }
                for index, (n, m) in enumerate(labels.pairs)
            ],
            **{name: self._summary(name, pair_of, references) for name, pair_of in chosen.items()},
        }

    def _summary(self, name: str, pair_of: numpy.ndarray, references: List[str]) -> Dict[str, Any]:
        """Quality and time if every sentence decodes at its pair in *pair_of*, an index into ``labels.pairs``."""
        labels, rows = self.labels, numpy.arange(len(self.labels))
        return {
            **corpus_scores(list(self._texts[name].values()), references, self._split.bleu_text or SACREBLEU),
            "quality": round(float(labels.scores[rows, pair_of][labels.labelled].mean()), 3),
            "seconds": round(float(self._share[rows, pair_of].sum()), 3),
        }


def _seconds_per_sentence(batches: List[List[float]], deepest: int, sentences: int) -> numpy.ndarray:
    """The seconds per sentence at each depth pair, little disturbed by other work on the machine.

    For the deepest pair, the mean over all sentences. For another pair, this mean times a ratio: the median over
    batches of the seconds at the pair divided by the seconds at the deepest pair.

    Args:
        batches: the seconds of each batch at each depth pair.
        deepest: the index of the deepest pair.
        sentences: the number of sentences in all batches.
    """
    seconds = numpy.asarray(batches)  # batches × pairs
    proportions = numpy.median(seconds / seconds[:, deepest : deepest + 1], axis=0)
    return proportions * seconds[:, deepest].sum() / sentences


def oracle_shares(report: Dict[str, Any]) -> Dict[DepthPair, float]:
    """The percentage of labelled sentences for which the oracle chooses each depth pair [dabre2020] Figure 2."""
    return {
        (row["enc_layers"], row["dec_layers"]): 100.0 * row["oracle"] / report["labelled"] for row in report["pairs"]
    }
