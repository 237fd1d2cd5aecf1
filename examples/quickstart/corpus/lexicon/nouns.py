"""Nouns: German inflection, and compounds, which German writes as one word."""

from functools import lru_cache
from typing import Dict, List, NamedTuple, Tuple

from grammar.english import plural_of

from lexicon.noun_table import MODIFIERS_TABLE, NOUNS_TABLE

VOWELS = "aeiouäöüy"


class Noun(NamedTuple):
    """One sense of a noun; ``plural`` is empty for mass nouns."""

    german: str
    gender: str
    plural: str
    english: str
    english_plural: str
    tags: Tuple[str, ...]
    groups: Tuple[str, ...]
    weak: bool = False

    def singular(self, case: str) -> str:
        """The German singular in ``nom``, ``acc``, ``dat`` or ``gen``."""
        if case == "nom" or self.gender == "f":
            return self.german
        if self.weak:
            return self.plural
        return genitive_of(self.german) if case == "gen" else self.german

    def many(self, case: str) -> str:
        """The German plural in a case: the dative adds -n unless the plural ends in -n or -s."""
        adds_n = case == "dat" and not self.plural.endswith(("n", "s"))
        return self.plural + "n" if adds_n else self.plural


class Modifier(NamedTuple):
    """The first part of a compound."""

    german: str
    english: str


def genitive_of(word: str) -> str:
    """The genitive singular of a strong masculine or neuter noun."""
    vowel_groups = sum(
        letter in VOWELS and (i == 0 or word[i - 1].lower() not in VOWELS)
        for i, letter in enumerate(word.lower())
    )
    long_ending = word.endswith(("s", "ß", "z", "tz", "sch")) or vowel_groups == 1
    return word + ("es" if long_ending else "s")


def compound(modifier: Modifier, head: Noun) -> Noun:
    """Modifier and head as one German word and two English words."""
    return head._replace(
        german=modifier.german + head.german.lower(),
        plural=head.plural and modifier.german + head.plural.lower(),
        english=f"{modifier.english} {head.english}",
        english_plural=f"{modifier.english} {head.english_plural}",
        groups=(),
    )


def _parse_nouns() -> List[Noun]:
    nouns = []
    for line in NOUNS_TABLE.strip().splitlines():
        german_field, english_field, tags, groups = (line + " | ").split("|")[:4]
        german, gender, plural = german_field.split()
        english = english_field.split()
        english_plural = english[1] if len(english) > 1 else plural_of(english[0])
        plural = "" if plural == "-" else plural
        strong_gender = "m" if gender == "w" else gender
        entry = (german, strong_gender, plural, english[0], english_plural)
        nouns.append(Noun(*entry, tuple(tags.split()), tuple(groups.split()), gender == "w"))
    return nouns


def _parse_modifiers() -> Dict[str, List[Modifier]]:
    by_group: Dict[str, List[Modifier]] = {}
    for line in MODIFIERS_TABLE.strip().splitlines():
        german, english, groups = (field.strip() for field in line.split("|"))
        for group in groups.split():
            by_group.setdefault(group, []).append(Modifier(german, english))
    return by_group


NOUNS = _parse_nouns()
MODIFIERS = _parse_modifiers()


@lru_cache(maxsize=None)
def nouns_with(*tags: str) -> Tuple[Noun, ...]:
    """All nouns having at least one of the tags, in table order."""
    return tuple(noun for noun in NOUNS if any(tag in noun.tags for tag in tags))


@lru_cache(maxsize=None)
def unambiguous(*tags: str) -> Tuple[Noun, ...]:
    """The nouns with one of the tags whose German word has only one sense."""
    words = [noun.german for noun in NOUNS]
    return tuple(noun for noun in nouns_with(*tags) if words.count(noun.german) == 1)
