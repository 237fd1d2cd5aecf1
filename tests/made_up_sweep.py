"""Made-up rows, facts and texts of a sweep."""

from typing import Any, List, Optional, Tuple

from fairseq_flexdepth.cli.report.facts import Facts, budget_facts, command_of, loss_facts, row_facts
from fairseq_flexdepth.cli.report.page import page
from fairseq_flexdepth.cli.report.texts import Texts
from fairseq_flexdepth.corpus.quality import BLEU, Quality
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable

Sizes = List[Tuple[int, int]]  # encoder and decoder layers of each model

SENTENCES = 12


def table_and_facts(
    sizes: Sizes, budget: Optional[float] = 0.5, measure: Quality = BLEU
) -> Tuple[SweepTable, Facts]:
    """Made-up rows of models with all depth pairs of *sizes*; those of one decoder layer are significantly worse.

    Where a lower score is better, it is 100 minus the BLEU that the row would have.
    """
    rows: List[SweepRow] = []
    models: Any = []
    for number, (encoder, decoder) in enumerate(sizes):
        path = f"runs/<{number}>/last.pt"
        models.append({"path": path, "name": f"<{number}>", "has_depths": (encoder, decoder) != (1, 1)})
        for n in range(1, encoder + 1):
            for m in range(1, decoder + 1):
                chrf = tuple(float((n + m) * number if number % 2 else 9) for number in range(SENTENCES))
                score = 80.0 - n - 2 * m if measure.lower_is_better else 20.0 + n + 2 * m
                scores: Any = {"": score, "_mean": score, "_interval": 1.0, "_p_value": 0.04 if m == 1 else 0.06}
                scores["_signature"] = "b"
                row = SweepRow(
                    path=path, model=f"<{number}>", enc_layers=n, dec_layers=m, chrf=50.0 + n,
                    seconds=n + 3.0 * m, relative_seconds=(n + 3 * m) / (sizes[0][0] + 3 * sizes[0][1]),
                    sentences_per_second=7.0, words_per_second=70.0, seconds_min=1.0, seconds_max=2.0, repeats=1,
                    sentences=10, beam=4, translations=f"{number}e{n}d{m}.txt", chrf_signature="c",
                    sentence_chrf=chrf, **{f"{measure.key}{name}": value for name, value in scores.items()},
                )  # fmt: skip
                rows.append(row)
    baseline = next(position for position, row in enumerate(rows) if row.pair == sizes[0])
    table = SweepTable(rows, baseline, budget, max_loss=3.0)
    facts: Facts = {
        "data": "bin", "split": "test", "languages": ["de", "en"], "sentences": 10, "skipped": 1, "source_words": 70,
        "references": None, "models": models, "baseline": {},
        "bleu_signature": table.baseline.bleu_signature, "wer_signature": table.baseline.wer_signature,
        "chrf_signature": "c", "budget": budget_facts(table), "not_worse": row_facts(table.not_worse),
        "max_loss": loss_facts(table),
        "test": {"samples": 1000, "seed": 12345, "level": 0.05}, "comet_model": None, "repeats": 1, "precision": "fp32",
        "engine": {"engine": "fairseq"}, "load": {"average": 0.1, "cores": 2, "threads": 2, "busy": False},
        "options": ["bin", "--beam", "4"], "date": "today", "settings": {"max_tokens": 4000, "batch_size": None},
        "machine": {"cpu": "C", "gpu": None, "cores": 2, "threads": 2, "python": "3", "torch": "2", "fairseq": "f"},
    }  # fmt: skip
    return table, facts


def texts_of(table: SweepTable) -> Texts:
    """Texts of which every second sentence depends on the depth."""
    numbers = range(SENTENCES)
    translations = {
        row.translations: [
            f"a</script> depth{row.enc_layers} text, <b>{row.dec_layers}</b>." if number % 2 else "the same"
            for number in numbers
        ]
        for row in table.rows
    }
    return Texts([f"Quelle{number} & mehr" for number in numbers], ["a <reference>" for _ in numbers], translations)


def page_of(sizes: Sizes, measure: Quality = BLEU) -> str:
    """The page of :func:`table_and_facts` with :func:`texts_of`."""
    table, facts = table_and_facts(sizes, measure=measure)
    commands = {row.translations: command_of(facts, row) for row in table.rows}
    return page(table, facts, commands, b"picture", texts_of(table))
