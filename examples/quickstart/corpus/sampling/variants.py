"""Another right translation of a sentence: other words, and another order of its clauses or of its time."""

import re

from grammar.english import with_article
from grammar.sentence import Sentence
from lexicon.synonyms import SYNONYMS

from sampling.draw import Draw

_LONGEST_FIRST = sorted(SYNONYMS, key=len, reverse=True)
# whole words, not before an apostrophe: children's books stay what they are
_PHRASE = re.compile(rf"\b({'|'.join(_LONGEST_FIRST)})\b(?!')")
_ARTICLE = re.compile(r"\b(an?) (\w+)")


def draw_variant(sentence: Sentence, draw: Draw) -> Sentence:
    """Draw one of the right translations; all orders, and all synonyms of a word, are equally likely."""
    english = draw.pick((sentence.english, *sentence.orders))
    worded = _PHRASE.sub(lambda found: draw.pick(SYNONYMS[found.group()]), english)
    return sentence._replace(english=_ARTICLE.sub(lambda found: with_article(found.group(2)), worded), orders=())
