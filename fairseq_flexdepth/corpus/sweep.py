"""A split at every depth pair of one or more models: translations, scores and times."""

from statistics import median
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence

from fairseq_flexdepth.corpus.every_depth import EveryDepth
from fairseq_flexdepth.corpus.scores import SACREBLEU, CorpusScorer
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.depth.space import DepthPair, from_fastest
from fairseq_flexdepth.depth.trade_off import pareto_front

# Another score of translations, by its name, from them and their references.
Score = Callable[[List[str], List[str]], Dict[str, float]]


class Run(NamedTuple):
    """A model at one of its depth pairs."""

    system: int  # the position of its --path
    pair: DepthPair


class Sweep:
    """Translates batches by every model at every pair, several times over for their times.

    Args:
        split: the data and the models.
        depths: the pairs to decode at; ``None`` is all.
        repeats: how often every batch is decoded.

    Raises:
        ValueError: as :class:`EveryDepth`.
    """

    def __init__(self, split: Split, depths: Optional[Sequence[DepthPair]], repeats: int) -> None:
        self.split = split
        self.repeats = repeats
        self.every_depth = EveryDepth(split, depths, compare=True)
        self.runs = [
            Run(system, pair)
            for system, ensemble in enumerate(self.every_depth.ensembles)
            for pair in ensemble.pairs
        ]

    def decode(self, number: int, batch: Sequence[int], tell: Callable[[Run], None]) -> List[Any]:
        """Batch *number*: a list for each run with the seconds of every repeat and the sentences' translations.

        Args:
            number: the batch's.
            batch: its sentences.
            tell: is called after each decoding.
        """
        seconds: Dict[Run, List[float]] = {run: [] for run in self.runs}
        texts: Dict[Run, List[str]] = {}
        for _ in range(self.repeats):
            for system, pair, decoded in self.every_depth.each(number, batch):
                run = Run(system, pair)
                seconds[run].append(decoded.seconds)
                texts[run] = [decoded.texts[index] for index in batch]
                tell(run)
        return [[seconds[run], texts[run]] for run in self.runs]

    @property
    def baseline(self) -> Run:
        """The deepest pair of the first model, which times are compared with."""
        first = [run for run in self.runs if run.system == 0]
        return first[from_fastest([run.pair for run in first])[-1]]


class SweepResults:
    """All results of a sweep.

    Args:
        sweep: what decoded.
        batches: the sentences' numbers.
        results: of each batch, as :meth:`Sweep.decode` returns them.
    """

    def __init__(self, sweep: Sweep, batches: Sequence[Sequence[int]], results: Iterable[List[Any]]) -> None:
        self.sweep = sweep
        self.decoded = sorted(int(index) for batch in batches for index in batch)
        self._texts: List[Dict[int, str]] = [{} for _ in sweep.runs]
        self._seconds: List[List[List[float]]] = [[] for _ in sweep.runs]  # by run, batch and repeat
        for batch, found in zip(batches, results):
            for position, (seconds, texts) in enumerate(found):
                self._texts[position].update((int(index), text) for index, text in zip(batch, texts))
                self._seconds[position].append(seconds)

    def translations(self, position: int) -> List[str]:
        """Those of run number *position*, in the order of the data; empty where a sentence was too long to decode."""
        return [self._texts[position].get(index, "") for index in range(len(self.sweep.split.dataset))]

    def source_words(self, sources: Sequence[str]) -> int:
        """The words, as white space separates them, of those *sources* that were decoded."""
        return sum(len(sources[index].split()) for index in self.decoded)

    def rows(self, sources: List[str], references: List[str], score: Optional[Score] = None) -> List[Dict[str, Any]]:
        """A row of ``sweep.json`` for each run.

        Args:
            sources: all source sentences as text.
            references: theirs.
            score: computes a further score.
        """
        scorer = CorpusScorer(references, self.sweep.split.bleu_text or SACREBLEU)
        words = self.source_words(sources)
        baseline = self._typical(self.sweep.runs.index(self.sweep.baseline))
        rows = []
        for position, run in enumerate(self.sweep.runs):
            translations, seconds = self.translations(position), self._typical(position)
            whole = [sum(repeat) for repeat in zip(*self._seconds[position])]
            scores = scorer(translations)
            signatures = {name: scores.pop(name) for name in list(scores) if name.endswith("_signature")}
            rows.append(
                {
                    "path": self.sweep.split.paths[run.system],
                    "enc_layers": run.pair[0],
                    "dec_layers": run.pair[1],
                    **scores,
                    **(score(translations, references) if score else {}),
                    "seconds": round(seconds, 3),
                    "relative_seconds": round(seconds / baseline, 4),
                    "sentences_per_second": round(len(self.decoded) / seconds, 2),
                    "words_per_second": round(words / seconds, 1),
                    "seconds_min": round(min(whole), 3),
                    "seconds_max": round(max(whole), 3),
                    "repeats": self.sweep.repeats,
                    "sentences": len(self.decoded),
                    "beam": self.sweep.split.cfg.generation.beam,
                    "translations": self.file_name(run),
                    **signatures,
                }
            )
        for position in pareto_front([row["bleu"] for row in rows], [row["seconds"] for row in rows]):
            rows[position]["pareto"] = True
        return [{**row, "pareto": row.get("pareto", False)} for row in rows]

    def file_name(self, run: Run) -> str:
        """Where a run's translations go; each of several models has a folder."""
        name = f"e{run.pair[0]}d{run.pair[1]}.txt"
        return name if len(self.sweep.split.paths) == 1 else f"system-{run.system + 1}/{name}"

    def _typical(self, position: int) -> float:
        """Seconds of all batches, of each the median of its repeats."""
        return sum(median(batch) for batch in self._seconds[position])
