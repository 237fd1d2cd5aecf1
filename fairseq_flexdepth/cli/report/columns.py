"""The columns of a sweep: for each value of a row its key, title, unit and format, and where it is shown.

A new column is one entry here, and its value one attribute of :class:`~fairseq_flexdepth.corpus.sweep_rows.SweepRow`.
``perplexity.py`` has those of language models.
"""

import enum
from typing import Any, Callable, Dict, List, NamedTuple, Sequence


class Place(enum.Flag):
    """A place that shows columns."""

    FILES = enum.auto()  # sweep.json and sweep.csv
    TERMINAL = enum.auto()
    PAGE = enum.auto()  # the table of all depth pairs in index.html
    FRONT = enum.auto()  # the table of the Pareto front there


FILES, TERMINAL, PAGE, FRONT = Place.FILES, Place.TERMINAL, Place.PAGE, Place.FRONT
TABLES = TERMINAL | PAGE
EVERYWHERE = FILES | TERMINAL | PAGE | FRONT


def signed(value: float) -> str:
    """Format a difference with its sign and one decimal; without a sign if it rounds to 0.0."""
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")


def of_value(form: str) -> Callable[[Any], str]:
    """A format that writes a value in the form of ``str.format``, and a missing value as a dash."""
    return lambda value: "–" if value is None else form.format(value)


class Column(NamedTuple):
    """One value of every row."""

    key: str  # attribute of the row, and key in the files
    places: Place
    title: str = ""  # heading in tables
    unit: str = ""  # shown in index.html when the mouse is over the title
    format: Callable[[Any], str] = str
    text: bool = False  # aligned to the left

    def cell(self, row: object) -> str:
        """The value as tables write it."""
        return self.format(getattr(row, self.key))


TEST = "p of the difference to the deepest pair's {}, by paired bootstrap"
ONE_DECIMAL, COUNT = "{:,.1f}".format, "{:,.0f}".format

# In the order in which files and tables show them. The order in sweep.json and sweep.csv must stay.
COLUMNS = (
    Column("path", FILES),
    Column("enc_layers", FILES | TABLES, "encoder", "layers"),
    Column("dec_layers", FILES | TABLES, "decoder", "layers"),
    Column("pair_text", FRONT, "(encoder, decoder)", "layers"),
    Column("relative_seconds", FRONT, "relative time", "share of the deepest pair's time", "{:.2f}".format),
    Column("speedup", FRONT, "speed-up", "the deepest pair's time divided by this one", "{:.1f}×".format),
    Column("bleu", EVERYWHERE, "BLEU", "0 to 100", "{:.1f}".format),
    Column("bleu_interval", TABLES | FRONT, "± BLEU", "half of its 95 % interval", of_value("{:.1f}")),
    Column("bleu_p_value", TABLES | FRONT, "p, BLEU", TEST.format("BLEU"), of_value("{:.3f}")),
    Column("wer", EVERYWHERE, "WER", "edits per 100 words: lower is better", "{:.1f}".format),
    Column("wer_interval", TABLES | FRONT, "± WER", "half of its 95 % interval", of_value("{:.1f}")),
    Column("wer_p_value", TABLES | FRONT, "p, WER", TEST.format("WER"), of_value("{:.3f}")),
    Column("chrf", EVERYWHERE, "chrF", "0 to 100", "{:.1f}".format),
    Column("chrf_interval", PAGE, "± chrF", "half of its 95 % interval", of_value("{:.1f}")),
    Column("chrf_p_value", PAGE, "p, chrF", TEST.format("chrF"), of_value("{:.3f}")),
    Column("comet", EVERYWHERE, "COMET", "about 0 to 1", "{:.3f}".format),
    Column("bleu_difference", FRONT, "Δ BLEU", "difference to the deepest pair's BLEU", signed),
    Column("wer_difference", FRONT, "Δ WER", "difference to the deepest pair's WER", signed),
    Column("seconds", FILES | TABLES, "seconds", "for the whole split", ONE_DECIMAL),
    Column("seconds_range", PAGE, "from – to", "seconds of the fastest and the slowest repeat"),
    Column("relative_seconds", FILES | TABLES, "relative", "share of the deepest pair's time", "{:.2f}".format),
    Column("sentences_per_second", EVERYWHERE, "sentences/s", "sentences per second", ONE_DECIMAL),
    Column("words_per_second", FILES | TABLES, "words/s", "source words per second", COUNT),
    Column("latency_p50_ms", TABLES | FRONT, "p50, ms", "half of the sentences take at most this time", ONE_DECIMAL),
    Column("latency_p95_ms", TABLES | FRONT, "p95, ms", "95 % of the sentences take at most this time", ONE_DECIMAL),
    Column("seconds_min", FILES),
    Column("seconds_max", FILES),
    Column("repeats", FILES),
    Column("sentences", FILES),
    Column("beam", FILES),
    Column("translations", FILES),
    Column("bleu_signature", FILES),
    Column("wer_signature", FILES),
    Column("chrf_signature", FILES),
    Column("pareto", FILES),
    Column("best_within_budget", FILES),
    Column("draft_dec_layers", EVERYWHERE, "drafted by", "decoder layers", lambda layers: str(layers or "–")),
    Column("model", TABLES | FRONT, "model", text=True),
    Column("bleu_mean", FILES),
    Column("bleu_interval", FILES),
    Column("bleu_p_value", FILES),
    Column("wer_mean", FILES),
    Column("wer_interval", FILES),
    Column("wer_p_value", FILES),
    Column("chrf_mean", FILES),
    Column("chrf_interval", FILES),
    Column("chrf_p_value", FILES),
    Column("fastest_not_worse", FILES),
    Column("fastest_within_loss", FILES),
    Column("quantization", FILES),
    Column("latency_p50_ms", FILES),
    Column("latency_p95_ms", FILES),
    Column("chosen_as", PAGE | FRONT, "choice", "see “Which depth to use”", text=True),
)


def columns_of(place: Place, rows: Sequence[Any], columns: Sequence[Column] = COLUMNS) -> List[Column]:
    """Those of *columns* that *place* shows, except those without values (``comet`` without ``--comet``, for instance).

    The models' names are shown if there are several models.
    """
    several = len({row.system for row in rows}) > 1
    return [
        column
        for column in columns
        if column.places & place
        and any(getattr(row, column.key) not in (None, "") for row in rows)
        and (column.key != "model" or several)
    ]


def file_values(rows: Sequence[Any], columns: Sequence[Column] = COLUMNS) -> List[Dict[str, object]]:
    """The rows as ``sweep.json`` and ``sweep.csv`` hold them."""
    kept = columns_of(FILES, rows, columns)
    return [{column.key: getattr(row, column.key) for column in kept} for row in rows]
