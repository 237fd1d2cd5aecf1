"""The interactive part of ``index.html``, which reads translations: its elements, and its data for ``reader.js``."""

import json
from typing import Any, Dict, List, Tuple

from fairseq_flexdepth.cli.report.texts import Texts, most_changed
from fairseq_flexdepth.corpus.sweep_rows import SweepTable

MOST_CHARACTERS = 8_000_000  # of the texts in the page: browsers open it in a second or two

ELEMENTS = """<section id="reader" hidden>
<p>Words that only one of two translations has are marked: <mark class="left">dashed</mark> at the depth pair,
<mark class="right">solid</mark> at the one it is compared with.</p>
<div class="controls">
<label>depth pair<select id="depth"></select></label>
<label>compared with<select id="other"></select></label>
<label>sentences<select id="kept"><option value="different">that differ</option><option value="all">all</option>
</select></label>
<label>order<select id="order"><option value="change">change of chrF</option>
<option value="data">of the data</option></select></label>
<label>with the words<input id="words" type="search" autocomplete="off"></label>
</div>
<p id="found" class="quiet" role="status"></p>
<ol id="sentences" class="sentences"></ol>
<button id="more" type="button">Show more</button>
</section>"""


def reader(table: SweepTable, texts: Texts, languages: List[str]) -> str:
    """The elements and the data; only ``reader.js`` makes them visible.

    Args:
        table: all rows.
        texts: all texts.
        languages: the codes of the source and the target language.
    """
    numbers, left_out = _fitting(table, texts)
    data = {
        "languages": languages,
        "rows": [{"label": table.label(row), "key": row.translations} for row in table.rows],
        "shallow": table.rows.index(table.shallowest),
        "deep": table.rows.index(table.baseline),
        "sentences": [_sentence(number, table, texts) for number in numbers],
    }
    # < would end the element, as in </script>
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    note = (
        f'<p class="quiet with-scripts" hidden>The page has the {len(numbers):,} sentences whose chrF differs most; '
        f"{left_out:,} others are in the text files alone.</p>"
        if left_out
        else ""
    )
    return f'{ELEMENTS}{note}\n<script type="application/json" id="translations">{written}</script>'


def _fitting(table: SweepTable, texts: Texts) -> Tuple[List[int], int]:
    """The numbers of the sentences whose texts fit the page, in order, and how many do not fit.

    Sentences that change most between the shallowest and the deepest depth pair are taken first.
    """
    order = list(dict.fromkeys([*most_changed(texts, table.shallowest, table.baseline), *range(len(texts.source))]))
    characters = 0
    for position, number in enumerate(order):
        different = {translations[number] for translations in texts.translations.values()}
        characters += sum(map(len, [texts.source[number], texts.reference[number], *different]))
        if characters > MOST_CHARACTERS:
            return sorted(order[:position]), len(order) - position
    return sorted(order), 0


def _sentence(number: int, table: SweepTable, texts: Texts) -> List[Any]:
    """A sentence: its line, source, reference, different translations, their chrF, and which of them each row has."""
    positions: Dict[str, int] = {}
    chrf: List[float] = []
    of_rows: List[int] = []
    for row in table.rows:
        translation = texts.translations[row.translations][number]
        if translation not in positions:
            positions[translation] = len(positions)
            chrf.append(row.sentence_chrf[number])
        of_rows.append(positions[translation])
    return [number + 1, texts.source[number], texts.reference[number], list(positions), chrf, of_rows]

