"""Random noun phrases, places and times."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from grammar.clauses import MODAL_PASTS
from grammar.german import contract
from grammar.phrases import NounPhrase, english_genitive, joined, name_phrase, noun_phrase, pronoun_phrase
from lexicon.nouns import MODIFIERS, Noun, compound, nouns_with, unambiguous
from lexicon.words import (
    ADJECTIVES_OF,
    CITIES,
    CLOCK,
    COLORS,
    FEMALE_NAMES,
    MALE_NAMES,
    NUMBERS,
    TIMES,
    UNITS,
    Adjective,
)

from sampling.draw import Draw

SINGULAR_WORDS = (("der", 0.46), ("ein", 0.28), ("dies", 0.06), ("possessive", 0.12), ("genitive", 0.08))
PLURAL_WORDS = (
    ("der", 0.36),
    ("", 0.14),
    ("number", 0.16),
    ("viel", 0.1),
    ("dies", 0.06),
    ("possessive", 0.12),
    ("genitive", 0.06),
)
OWNABLE = ("object", "document", "idea", "animal")
PRONOUN_SUBJECTS = (("ich", "I"), ("wir", "we"), ("m", "he"), ("f", "she"), ("p", "they"))
# preposition with dative | English; "vor" is also "before" and "ago", as the noun tells
OUTSIDE = (("vor", "in front of"), ("hinter", "behind"), ("neben", "next to"))
# tenses: the classes of times that go with them
TIME_CLASSES = {
    "present": ("any", "any", "habit", "future"),
    "future": ("any", "future"),
    "perfect": ("any", "past"),
    "preterite": ("any", "past"),
    "pluperfect": ("any",),
}


class Time(NamedTuple):
    """A time expression and the tenses it allows."""

    german: str
    english: str
    tenses: str


class PhraseSampler:
    """Draws phrases; every method returns both languages at once."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def noun(self, candidates: Sequence[Noun]) -> Noun:
        """Draw one of the candidates, often as the head of a compound."""
        noun = self.draw.pick(candidates)
        modifiers = [modifier for group in noun.groups for modifier in MODIFIERS[group]]
        if modifiers and self.draw.chance(0.35):
            return compound(self.draw.pick(modifiers), noun)
        return noun

    def adjectives(self, noun: Noun) -> List[Adjective]:
        """Draw no adjective, one, or one and a color."""
        possible = ADJECTIVES_OF.get(noun.tags[0], [])
        count = self.draw.weighted(((0, 0.62), (1, 0.3), (2, 0.08))) if possible else 0
        plain = [adjective for adjective in possible if adjective.german not in COLORS]
        colors = [adjective for adjective in possible if adjective.german in COLORS]
        if count == 2 and colors:
            return [self.draw.pick(plain), self.draw.pick(colors)]
        return [self.draw.pick(possible)] if count else []

    def phrase(
        self, candidates: Sequence[Noun], owner: Optional[NounPhrase] = None, word: str = ""
    ) -> NounPhrase:
        """Draw a noun phrase; ``owner`` is the antecedent of a possessive, ``word`` a fixed determiner."""
        noun = self.noun(candidates)
        if not noun.plural:
            return noun_phrase(noun, False, word or self.draw.weighted((("", 0.7), ("der", 0.3))))
        adjectives = self.adjectives(noun)
        plural = self.draw.chance(0.28)
        if word:
            return noun_phrase(noun, plural and word not in ("ein", "jed"), word, adjectives)
        word = self.draw.weighted(PLURAL_WORDS if plural else SINGULAR_WORDS)
        if "kin" in noun.tags and self.draw.chance(0.5):
            word = "possessive"
        if noun.tags[0] in ("authority", "employer") or ("free" in noun.tags and word == "possessive"):
            word = "der"
        if word == "number":
            word = self.draw.pick(NUMBERS)
        if word == "genitive":
            return self._owned(noun, plural, adjectives)
        if word == "possessive":
            speaker = self.draw.pick((("mein", "my"), ("unser", "our")))
            german, english = owner.possessive if owner else speaker
            return noun_phrase(noun, plural, german, adjectives, owner=english)
        return noun_phrase(noun, plural, word, adjectives)

    def _owned(self, noun: Noun, plural: bool, adjectives: List[Adjective]) -> NounPhrase:
        """Draw ``das Buch des Lehrers`` or ``Annas Buch``; English puts the owner first."""
        if noun.tags[0] not in OWNABLE and "kin" not in noun.tags:
            return noun_phrase(noun, plural, "der", adjectives)
        if self.draw.chance(0.4):
            owner = self.name()
            return noun_phrase(noun, plural, owner.head("gen"), adjectives, owner=english_genitive(owner))
        possessor = self.noun(nouns_with("person"))
        owner = noun_phrase(possessor, self.draw.chance(0.25), "der")
        return noun_phrase(
            noun, plural, "der", adjectives, owner=english_genitive(owner), genitive=owner.head("gen")
        )

    def name(self) -> NounPhrase:
        """A person's name."""
        if self.draw.chance(0.5):
            return name_phrase(self.draw.pick(MALE_NAMES), "m")
        return name_phrase(self.draw.pick(FEMALE_NAMES), "f")

    def person(self, pronouns: bool = True) -> NounPhrase:
        """A subject: a pronoun, a name, two persons or a noun phrase."""
        kind = self.draw.weighted((("pronoun", 0.17), ("name", 0.14), ("pair", 0.04), ("noun", 0.65)))
        if kind == "pronoun" and pronouns:
            gender, english = self.draw.pick(PRONOUN_SUBJECTS)
            return pronoun_phrase(gender, english)
        if kind == "name":
            return self.name()
        phrase = self.phrase(nouns_with("person"))
        if kind == "pair" and phrase.style == "definite":
            return joined(phrase, self.name())
        return phrase

    def location(self, tags: Tuple[str, ...] = ("place",)) -> Tuple[str, str]:
        """Draw a location: a preposition with the dative; ``tags`` are the allowed kinds of place."""
        kind = self.draw.weighted((("home", 0.08), ("city", 0.22), ("place", 0.7)))
        if kind == "home":
            return "zu Hause", "at home"
        if kind == "city":
            german, english = self.draw.pick(CITIES)
            return f"in {german}", f"in {english}"
        phrase = self.place(tags)
        if "building" in phrase.tags and tags == ("place",) and self.draw.chance(0.4):
            preposition, english = self.draw.pick(OUTSIDE)
        elif "at" in phrase.tags:
            preposition, english = "an", "at"
        elif "on" in phrase.tags:
            preposition, english = "auf", "at"
        else:
            preposition, english = "in", "in"
        return contract(preposition, phrase.head("dat")), f"{english} {phrase.english}"

    def destination(self, tags: Tuple[str, ...] = ("place",)) -> Tuple[str, str]:
        """Draw a destination: the same prepositions with the accusative, or ``zu`` and ``nach``."""
        kind = self.draw.weighted((("home", 0.12), ("city", 0.25), ("place", 0.63)))
        if kind == "home":
            return "nach Hause", "home"
        if kind == "city":
            german, english = self.draw.pick(CITIES)
            return f"nach {german}", f"to {english}"
        phrase = self.place(tags)
        if "at" in phrase.tags:
            return contract("zu", phrase.head("dat")), f"to {phrase.english}"
        preposition = "auf" if "on" in phrase.tags else "in"
        return contract(preposition, phrase.head("acc")), f"to {phrase.english}"

    def place(self, tags: Tuple[str, ...]) -> NounPhrase:
        """Draw a place that something can be in (no bridge)."""
        noun = self.noun([noun for noun in unambiguous(*tags) if "crossing" not in noun.tags])
        word = "ein" if self.draw.chance(0.12) else "der"
        return noun_phrase(noun, False, word, self.adjectives(noun) if self.draw.chance(0.5) else [])

    def time(self, tense: str) -> Time:
        """Draw a time that fits the tense: fixed, by the clock, counted, or relative to an event."""
        default = ("any", "past") if tense in MODAL_PASTS else ("any", "future")
        allowed = self.draw.pick(TIME_CLASSES.get(tense, default))
        kind = self.draw.weighted((("fixed", 0.64), ("clock", 0.08), ("counted", 0.16), ("event", 0.12)))
        if kind == "clock" and allowed == "any":
            german, english = self.draw.pick(CLOCK).split()
            return Time(f"um {german} Uhr", f"at {english} o'clock", "any")
        if kind == "counted" and allowed in ("past", "future"):
            german, english = self.duration()
            if allowed == "past":
                return Time(f"vor {german}", f"{english} ago", "past")
            return Time(f"in {german}", f"in {english}", "future")
        if kind == "event" and allowed == "any":
            event = noun_phrase(self.noun(nouns_with("event")), False, "der")
            preposition, case, english = self.draw.pick(
                (("vor", "dat", "before"), ("nach", "dat", "after"), ("während", "gen", "during"))
            )
            return Time(f"{preposition} {event.head(case)}", f"{english} {event.english}", "any")
        fixed = [Time(*time) for time in TIMES if time[2] == allowed]
        return self.draw.pick(fixed)

    def duration(self) -> Tuple[str, str]:
        """``drei Tagen``, the dative after ``seit``, ``vor`` and ``in``."""
        number, english_number = self.draw.pick(NUMBERS).split()
        unit, english_unit = self.draw.pick(UNITS).split()
        return f"{number} {unit}", f"{english_number} {english_unit}"
