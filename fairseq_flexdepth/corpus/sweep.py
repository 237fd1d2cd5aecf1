"""A split decoded at every depth pair of one or more models: translations, scores and times."""

from statistics import median
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy

from fairseq_flexdepth.corpus.engine import Engine, ModelDepth
from fairseq_flexdepth.corpus.scores import SACREBLEU, CorpusScorer
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable, short_names
from fairseq_flexdepth.depth.supported_depths import DepthPair, from_fastest

# A further score of translations, by its name, computed from them and their references.
Score = Callable[[List[str], List[str]], Dict[str, float]]
# One batch by one model at one depth pair: the seconds of each repeat, and the translations of its sentences.
DecodedBatch = Tuple[List[float], List[str]]


class Sweep:
    """Decodes batches in all ways of an engine, several times over to measure times.

    Args:
        split: the data and the models.
        engine: decodes them.
        repeats: how often each batch is decoded.
    """

    def __init__(self, split: Split, engine: Engine, repeats: int) -> None:
        self.split = split
        self.engine = engine
        self.repeats = repeats
        self.model_depths = engine.model_depths

    def decode(
        self, number: int, batch: Sequence[int], progress: Callable[[ModelDepth], None]
    ) -> List[DecodedBatch]:
        """Decode one batch; return one :data:`DecodedBatch` for each of ``model_depths``.

        Args:
            number: the batch's number.
            batch: the numbers of its sentences.
            progress: called after each decoding.
        """
        seconds: Dict[ModelDepth, List[float]] = {depth: [] for depth in self.model_depths}
        texts: Dict[ModelDepth, List[str]] = {}
        for _ in range(self.repeats):
            for depth, decoded in self.engine.each(number, batch):
                seconds[depth].append(decoded.seconds)
                texts[depth] = [decoded.texts[index] for index in batch]
                progress(depth)
        return [(seconds[depth], texts[depth]) for depth in self.model_depths]

    @property
    def pairs(self) -> List[DepthPair]:
        """All depth pairs, in ascending order."""
        return sorted({depth.pair for depth in self.model_depths})

    @property
    def baseline(self) -> int:
        """Position in ``model_depths`` of the deepest depth pair of the first model, which times are relative to."""
        # The first model's, without drafts and in the first type of weights, come first.
        first = self.model_depths[0]._replace(pair=(0, 0))
        pairs = [depth.pair for depth in self.model_depths if depth._replace(pair=(0, 0)) == first]
        return from_fastest(pairs)[-1]


class SweepResults:
    """The translations and times of a whole sweep.

    Args:
        sweep: the models and the data.
        batches: the numbers of each batch's sentences.
        results: the result of :meth:`Sweep.decode` for each batch (read from JSON, so with lists instead of tuples).
    """

    def __init__(
        self, sweep: Sweep, batches: Sequence[Sequence[int]], results: Iterable[Sequence[Sequence[Any]]]
    ) -> None:
        self.sweep = sweep
        self.decoded = sorted(int(index) for batch in batches for index in batch)
        self.one_by_one = all(len(batch) == 1 for batch in batches)
        self._texts: List[Dict[int, str]] = [{} for _ in sweep.model_depths]
        self._seconds: List[List[List[float]]] = [[] for _ in sweep.model_depths]  # model depth × batch × repeat
        for batch, of_batch in zip(batches, results):
            for position, (seconds, texts) in enumerate(of_batch):
                self._texts[position].update((int(index), text) for index, text in zip(batch, texts))
                self._seconds[position].append(seconds)

    def translations(self, position: int) -> List[str]:
        """All translations at one of ``model_depths``, in the order of the data; sentences too long to decode: ""."""
        return [self._texts[position].get(index, "") for index in range(len(self.sweep.split.dataset))]

    def source_words(self, sources: Sequence[str]) -> Optional[int]:
        """The number of words, separated by white space, in the decoded sentences among *sources*; of speech, None."""
        if not self.sweep.split.source_is_text:
            return None
        return sum(len(sources[index].split()) for index in self.decoded)

    def table(
        self,
        sources: List[str],
        references: List[str],
        comet: Optional[Score] = None,
        budget: Optional[float] = None,
        max_loss: Optional[float] = None,
    ) -> SweepTable:
        """Score all translations; return one row for each of ``model_depths``.

        Args:
            sources: all source sentences as text.
            references: their references.
            comet: computes the COMET score of the translations; ``None``: no such score.
            budget: the share of the baseline's time that ``--budget`` allows.
            max_loss: the loss of BLEU or WER against the baseline that ``--max-loss`` allows.
        """
        scorer = CorpusScorer(references, self.sweep.split.bleu_text or SACREBLEU, self.sweep.split.wer)
        counts = [scorer.counts(self.translations(position)) for position in range(len(self._texts))]
        compared = scorer.compare(counts, self.sweep.baseline)
        words = self.source_words(sources)
        names = short_names(self.sweep.split.paths)
        baseline_seconds = self._median_seconds(self.sweep.baseline)
        rows = []
        several = len({depth.quantization for depth in self.sweep.model_depths}) > 1
        for position, depth in enumerate(self.sweep.model_depths):
            translations, seconds = self.translations(position), self._median_seconds(position)
            repeats = [sum(repeat) for repeat in zip(*self._seconds[position])]  # seconds of all batches
            rows.append(
                SweepRow(
                    path=self.sweep.split.paths[depth.model],
                    model=names[depth.model] + (f" {depth.quantization}" if several else ""),
                    enc_layers=depth.pair[0],
                    dec_layers=depth.pair[1],
                    **scorer.scores(counts[position]),
                    **compared[position],
                    sentence_chrf=scorer.sentence_chrf(counts[position]),
                    comet=comet(translations, references)["comet"] if comet else None,
                    seconds=round(seconds, 3),
                    relative_seconds=round(seconds / baseline_seconds, 4),
                    sentences_per_second=round(len(self.decoded) / seconds, 2),
                    words_per_second=None if words is None else round(words / seconds, 1),
                    seconds_min=round(min(repeats), 3),
                    seconds_max=round(max(repeats), 3),
                    repeats=self.sweep.repeats,
                    sentences=len(self.decoded),
                    beam=self.sweep.split.cfg.generation.beam,
                    translations=self._translations_file(depth, several),
                    draft_dec_layers=depth.draft,
                    quantization=depth.quantization,
                    **self._latencies(position),
                )
            )
        return SweepTable(rows, self.sweep.baseline, budget, max_loss)

    def _translations_file(self, depth: ModelDepth, quantized: bool) -> str:
        """The file for the translations; each of several models has a folder, each of several types of weights a name.

        Args:
            depth: the way in which they were decoded.
            quantized: whether there are several types of weights.
        """
        drafted = f"-draft{depth.draft}" if depth.draft else ""
        name = f"e{depth.pair[0]}d{depth.pair[1]}{drafted}{f'-{depth.quantization}' if quantized else ''}.txt"
        return name if len(self.sweep.split.paths) == 1 else f"system-{depth.model + 1}/{name}"

    def _latencies(self, position: int) -> Dict[str, Any]:
        """Percentiles of the milliseconds per sentence, each sentence's the median of its repeats; none for batches."""
        if not self.one_by_one:
            return {}
        milliseconds = [1000 * median(batch) for batch in self._seconds[position]]
        return {f"latency_p{part}_ms": round(float(numpy.percentile(milliseconds, part)), 2) for part in (50, 95)}

    def _median_seconds(self, position: int) -> float:
        """The seconds of all batches: the sum of each batch's median over its repeats."""
        return sum(median(batch) for batch in self._seconds[position])
