"""The section of ``index.html`` with the sentences that change most between the shallowest and the deepest depth."""

from html import escape
from typing import List, Tuple

from fairseq_flexdepth.cli.report.texts import Texts, marked_differences, most_changed
from fairseq_flexdepth.corpus.sweep_rows import SweepTable

SENTENCES = 10


def changes(table: SweepTable, texts: Texts, languages: List[str]) -> str:
    """Source, reference and the two translations of the sentences whose chrF differs most, side by side.

    Scripts replace them by :func:`~fairseq_flexdepth.cli.report.reader.reader`, which shows them first.

    Args:
        table: all rows.
        texts: all texts.
        languages: the codes of the source and the target language.
    """
    shallow, deep = table.shallowest, table.baseline
    numbers = most_changed(texts, shallow, deep)
    if not numbers:
        return f"<p>{shallow.pair_text} and {deep.pair_text} translate every sentence alike.</p>"
    lines = [
        f'<div id="most-changed">\n<p>{shallow.pair_text} and {deep.pair_text} translate {len(numbers):,} of '
        f"{len(texts.source):,} sentences differently. These are the {min(SENTENCES, len(numbers))} whose chrF differs "
        'most. Words that only one of the two has are marked: <mark class="left">dashed</mark> at '
        f'{shallow.pair_text}, <mark class="right">solid</mark> at {deep.pair_text}.</p>',
        '<ol class="sentences">',
    ]
    for number in numbers[:SENTENCES]:
        translations = [texts.translations[row.translations][number] for row in (shallow, deep)]
        cells = [
            ("source", languages[0], escape(texts.source[number])),
            ("reference", languages[1], escape(texts.reference[number])),
        ]
        for row, html in zip((shallow, deep), marked_differences(*translations)):
            cells.append((f"{row.pair_text}, chrF {row.sentence_chrf[number]:.1f}", languages[1], html))
        lines += [f'<li><p class="quiet">Sentence {number + 1}</p><dl class="texts">', *map(_cell, cells), "</dl></li>"]
    return "\n".join([*lines, "</ol></div>"])


def _cell(cell: Tuple[str, str, str]) -> str:
    title, language, html = cell
    return f'<div><dt>{title}</dt><dd lang="{escape(language)}" dir="auto">{html}</dd></div>'
