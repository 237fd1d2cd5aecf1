"""The texts of a sweep, the sentences in which depths differ most, and the words in which two translations differ."""

import difflib
import re
from html import escape
from typing import Dict, List, NamedTuple, Tuple

from fairseq_flexdepth.corpus.sweep_rows import SweepRow

# Words, punctuation marks and Chinese or Japanese characters, each with the spaces before it.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"\s*(?:[{_CJK}]|[^\W{_CJK}]+|\S)")


class Texts(NamedTuple):
    """All texts of a sweep, one per sentence, in the order of the data."""

    source: List[str]
    reference: List[str]
    translations: Dict[str, List[str]]  # by SweepRow.translations


def most_changed(texts: Texts, one: SweepRow, other: SweepRow) -> List[int]:
    """Numbers of the sentences that two rows translate differently, the largest difference in chrF first."""
    ours, theirs = texts.translations[one.translations], texts.translations[other.translations]
    different = [number for number in range(len(ours)) if ours[number] != theirs[number]]
    return sorted(different, key=lambda number: -abs(one.sentence_chrf[number] - other.sentence_chrf[number]))


def marked_differences(left: str, right: str) -> Tuple[str, str]:
    """Two texts as HTML; ``<mark>`` is around the words that the other text does not have at this place."""
    words = [_WORD.findall(left), _WORD.findall(right)]
    ours, theirs = ([word.strip() for word in of_text] for of_text in words)
    html = ["", ""]
    for kind, *spans in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        for side, name in enumerate(("left", "right")):
            part = "".join(words[side][spans[2 * side] : spans[2 * side + 1]])
            text = part.lstrip()
            space = part[: len(part) - len(text)]
            html[side] += space + (
                escape(text) if kind == "equal" or not text else f'<mark class="{name}">{escape(text)}</mark>'
            )
    return html[0], html[1]
