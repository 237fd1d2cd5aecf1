"""The rows of a sweep, one per model and depth pair, and the table that compares them."""

from dataclasses import dataclass, replace
from typing import Any, List, Optional, Sequence, Tuple

from fairseq_flexdepth.corpus.paired_bootstrap import LEVEL
from fairseq_flexdepth.corpus.quality import BLEU, WER, Quality
from fairseq_flexdepth.depth.supported_depths import DepthPair, from_fastest
from fairseq_flexdepth.depth.trade_off import best_within, fastest_allowed, pareto_front


@dataclass(frozen=True)
class SweepRow:
    """Quality and speed of one model at one depth pair.

    ``cli/report/columns.py`` says which of these values the files and tables of a report show, and how.
    """

    path: str  # of the checkpoint or the ensemble, as --path gives it
    model: str  # a short name of the model
    enc_layers: int
    dec_layers: int
    chrf: float
    seconds: float  # of the whole split: the sum over its batches of the median of their repeats
    relative_seconds: float  # divided by the seconds of the baseline
    sentences_per_second: float
    seconds_min: float  # of the fastest repeat of the whole split
    seconds_max: float  # of the slowest repeat
    repeats: int
    sentences: int  # number of decoded sentences
    beam: int
    translations: str  # the file with the translations, relative to the report's folder
    chrf_signature: str
    bleu: Optional[float] = None  # None with --scoring wer
    bleu_signature: Optional[str] = None
    wer: Optional[float] = None  # edits per 100 words; None without --scoring wer
    wer_signature: Optional[str] = None
    words_per_second: Optional[float] = None  # source words; None where the source is speech
    comet: Optional[float] = None  # None without --comet
    draft_dec_layers: Optional[int] = None  # 0 for a row without drafts; None without --draft-dec-layers
    quantization: Optional[str] = None  # type of the weights with --engine ctranslate2; else None
    # Milliseconds that half, and 95 %, of the sentences take at most; None unless each batch is one sentence
    latency_p50_ms: Optional[float] = None
    latency_p95_ms: Optional[float] = None
    # Set by SweepTable, which knows all rows:
    bleu_difference: Optional[float] = None  # to the baseline
    wer_difference: Optional[float] = None
    pareto: bool = False  # on the Pareto front of quality and time
    best_within_budget: Optional[bool] = None  # None without --budget
    fastest_not_worse: bool = False  # the fastest row that is not significantly worse than the baseline
    fastest_within_loss: Optional[bool] = None  # None without --max-loss
    # By sacrebleu's paired bootstrap: the mean of the samples' scores, half the 95 % interval around it, and p of the
    # difference to the baseline (None for the baseline)
    bleu_mean: Optional[float] = None
    bleu_interval: Optional[float] = None
    bleu_p_value: Optional[float] = None
    wer_mean: Optional[float] = None
    wer_interval: Optional[float] = None
    wer_p_value: Optional[float] = None
    chrf_mean: Optional[float] = None
    chrf_interval: Optional[float] = None
    chrf_p_value: Optional[float] = None
    sentence_chrf: Tuple[float, ...] = ()  # of every sentence, in the order of the data

    @property
    def system(self) -> str:
        """The model that is deployed: the checkpoint and, with ``--engine ctranslate2``, the type of its weights."""
        return self.path if self.quantization is None else f"{self.path} {self.quantization}"

    @property
    def pair(self) -> DepthPair:
        """The depth pair."""
        return self.enc_layers, self.dec_layers

    @property
    def pair_text(self) -> str:
        """The depth pair as the report writes it: ``(3, 2)``."""
        return f"({self.enc_layers}, {self.dec_layers})"

    @property
    def measure(self) -> Quality:
        """The score that rows are ranked by."""
        return BLEU if self.wer is None else WER

    @property
    def score(self) -> float:
        """The value of that score."""
        return float(getattr(self, self.measure.key))

    @property
    def difference(self) -> float:
        """Its difference to the baseline's."""
        return float(getattr(self, f"{self.measure.key}_difference") or 0.0)

    @property
    def loss(self) -> float:
        """The quality that the row loses against the baseline, in the unit of the score; negative for a gain."""
        return -self.measure.gain(self.difference)

    @property
    def p_value(self) -> Optional[float]:
        """p of that difference; ``None`` for the baseline."""
        value: Optional[float] = getattr(self, f"{self.measure.key}_p_value")
        return value

    @property
    def interval(self) -> Tuple[float, ...]:
        """The ends of the score's 95 % interval; empty if it was not computed."""
        mean, half = (getattr(self, f"{self.measure.key}_{name}") for name in ("mean", "interval"))
        return () if mean is None or half is None else (mean - half, mean + half)

    @property
    def speedup(self) -> float:
        """The baseline's seconds divided by the row's."""
        return 1 / self.relative_seconds

    @property
    def significantly_worse(self) -> bool:
        """Whether the score is worse than the baseline's with p < 0.05."""
        return self.loss > 0 and self.p_value is not None and self.p_value < LEVEL

    @property
    def chosen_as(self) -> str:
        """What the row is the best choice for, in words; empty for most rows."""
        choices = {
            "fastest not worse": self.fastest_not_worse,
            "best within budget": self.best_within_budget,
            "fastest within loss": self.fastest_within_loss,
        }
        return ", ".join(words for words, chosen in choices.items() if chosen)

    @property
    def seconds_range(self) -> str:
        """The seconds of the fastest and of the slowest repeat; empty if there is but one."""
        return f"{self.seconds_min:,.1f} – {self.seconds_max:,.1f}" if self.repeats > 1 else ""


class SweepTable:
    """All rows of a sweep, with the Pareto front and the rows to recommend.

    Args:
        rows: one per model and depth pair.
        baseline: position of the row to compare others with: the deepest depth pair of the first model.
        budget: ``--budget``, the share of the baseline's time that decoding may take; ``None`` without the option.
        max_loss: ``--max-loss``, the BLEU or WER that may be lost against the baseline; ``None`` without the option.

    Attributes:
        rows: the given rows, with differences and marks for the Pareto front and for the rows to recommend.
        baseline: the row at the given position.
        measure: the score that rows are ranked by.
        front: rows on the Pareto front of quality and time, the fastest first.
        budget: the given share.
        within_budget: the best row within the budget; ``None`` if no row is that fast.
        not_worse: the fastest row that is not significantly worse than the baseline.
        max_loss: the given loss.
        within_loss: the fastest row that loses no more than that; ``None`` without ``--max-loss``.
        systems: the models, each in every type of its weights, in the order of ``--path`` and ``--quantization``.
    """

    def __init__(
        self,
        rows: Sequence[SweepRow],
        baseline: int,
        budget: Optional[float] = None,
        max_loss: Optional[float] = None,
    ) -> None:
        self.budget, self.max_loss = budget, max_loss
        self.measure = rows[baseline].measure
        quality, seconds = [self.measure.gain(row.score) for row in rows], [row.seconds for row in rows]
        difference = f"{self.measure.key}_difference"
        changes: List[Any] = [{difference: round(row.score - rows[baseline].score, 2)} for row in rows]
        rows = [replace(row, **change) for row, change in zip(rows, changes)]
        front = pareto_front(quality, seconds)
        best = None if budget is None else best_within(quality, seconds, budget * seconds[baseline])
        not_worse = fastest_allowed(quality, seconds, [not row.significantly_worse for row in rows])
        small_loss = [max_loss is not None and row.loss <= max_loss for row in rows]
        within_loss = fastest_allowed(quality, seconds, small_loss) if any(small_loss) else None
        self.rows: List[SweepRow] = [
            replace(
                row,
                pareto=position in front,
                best_within_budget=None if budget is None else position == best,
                fastest_not_worse=position == not_worse,
                fastest_within_loss=None if max_loss is None else position == within_loss,
            )
            for position, row in enumerate(rows)
        ]
        self.baseline = self.rows[baseline]
        self.front = [self.rows[position] for position in front]
        self.within_budget = None if best is None else self.rows[best]
        self.not_worse = self.rows[not_worse]
        self.within_loss = None if within_loss is None else self.rows[within_loss]
        self.systems = list(dict.fromkeys(row.system for row in rows))

    def label(self, row: SweepRow) -> str:
        """The depth pair of *row*, with the model's name if there are several models, and with its drafts."""
        model = f" of {row.model}" if len(self.systems) > 1 else ""
        return row.pair_text + model + (f" with drafts by {row.draft_dec_layers}" if row.draft_dec_layers else "")

    @property
    def shallowest(self) -> SweepRow:
        """The row of the baseline's model with the fewest layers."""
        own = {row.pair: row for row in reversed(self.of_model(self.baseline.system))}
        pairs = list(own)
        return own[pairs[from_fastest(pairs)[0]]]

    def of_model(self, system: str) -> List[SweepRow]:
        """The rows of one of ``systems``."""
        return [row for row in self.rows if row.system == system]

    def by_depth(self, system: str) -> List[SweepRow]:
        """The rows of one of ``systems`` without drafts: one per depth pair."""
        return [row for row in self.of_model(system) if not row.draft_dec_layers]

    def best_within(self, share: float, system: Optional[str] = None) -> Optional[SweepRow]:
        """The best row in at most *share* of the baseline's time; of one of ``systems`` if given.

        If several rows are equally good, the fastest of them. ``None`` if no row is that fast.
        """
        rows = self.rows if system is None else self.of_model(system)
        quality = [self.measure.gain(row.score) for row in rows]
        found = best_within(quality, [row.seconds for row in rows], share * self.baseline.seconds)
        return None if found is None else rows[found]


def short_names(paths: Sequence[str]) -> List[str]:
    """The shortest names that tell *paths* apart: their last parts, without a file name that all of them share.

    A single path is named by its folder and its file.
    """
    parts = [path.split("/") for path in paths]
    if len(paths) == 1:
        return ["/".join(parts[0][-2:])]
    while len({names[-1] for names in parts}) == 1:
        parts = [names[:-1] for names in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(names[-count:]) for names in parts]
        if len(set(names)) == len(names):
            return names
    return list(paths)
