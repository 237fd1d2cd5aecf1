"""Noun phrases: determiner, adjectives, noun and genitive, agreeing in gender, number and case."""

from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from lexicon.nouns import Noun
from lexicon.words import Adjective

from grammar.english import with_article
from grammar.german import CASES, PRONOUNS, adjective_ending, determiner

# English subject: (object, possessive)
ENGLISH_PRONOUNS = {
    "I": ("me", "my"),
    "we": ("us", "our"),
    "he": ("him", "his"),
    "she": ("her", "her"),
    "it": ("it", "its"),
    "they": ("them", "their"),
}


class NounPhrase(NamedTuple):
    """A noun phrase in both languages.

    ``gender`` is m, f, n or p (plural), or ``ich``/``wir``; ``person`` is 1s, 3s, 1p or 3p;
    ``pronoun`` is the English subject pronoun for it; ``style`` decides where it may stand.
    """

    forms: Dict[str, str]
    english: str
    english_subject: str
    person: str
    gender: str
    pronoun: str
    style: str
    noun: Optional[Noun] = None
    relative: str = ""

    def head(self, case: str) -> str:
        """The German phrase in a case, without its relative clause."""
        return self.forms[case]

    def german(self, case: str) -> str:
        """The German phrase in a case."""
        return f"{self.forms[case]} , {self.relative} ," if self.relative else self.forms[case]

    @property
    def tags(self) -> Tuple[str, ...]:
        """The tags of the noun; names and pronouns without a noun are persons."""
        return self.noun.tags if self.noun is not None else ("person",)

    @property
    def animate(self) -> bool:
        """Whether it is a person or an animal."""
        return "person" in self.tags or "animal" in self.tags

    @property
    def possessive(self) -> Tuple[str, str]:
        """The German possessive stem and the English possessive referring to this phrase."""
        stems = {"ich": "mein", "wir": "unser", "m": "sein", "n": "sein", "f": "ihr", "p": "ihr"}
        return stems[self.gender], ENGLISH_PRONOUNS[self.pronoun][1]

    def with_relative(self, german: str, english: str) -> "NounPhrase":
        """This phrase followed by a relative clause."""
        phrase = f"{self.english} {english}"
        return self._replace(relative=german, english=phrase, english_subject=phrase)


def noun_phrase(
    noun: Noun,
    plural: bool,
    word: str,
    adjectives: Sequence[Adjective] = (),
    owner: str = "",
    genitive: str = "",
) -> NounPhrase:
    """Build a phrase from its parts.

    ``word`` is a determiner's stem, a name's genitive, a number as ``zwei two``, or empty;
    ``owner`` the English possessive replacing the article; ``genitive`` follows the German noun.
    """
    german_word, _, english_number = word.partition(" ")
    gender = "p" if plural else noun.gender
    forms = {}
    for case in CASES:
        ending = adjective_ending(german_word, case, gender)
        words = [determiner(german_word, case, gender)]
        words += [adjective.stem + ending for adjective in adjectives]
        words += [noun.many(case) if plural else noun.singular(case), genitive]
        forms[case] = " ".join(filter(None, words))
    english = " ".join([adjective.english for adjective in adjectives])
    english = f"{english} {noun.english_plural if plural else noun.english}".strip()
    english = _english_determined(english, german_word, english_number or owner, plural, not noun.plural)
    indefinite = german_word in ("ein", "kein", "viel", "") or bool(english_number)
    pronoun = "they" if plural else _pronoun_for(noun)
    style = "indefinite" if indefinite else "definite"
    return NounPhrase(forms, english, english, "3p" if plural else "3s", gender, pronoun, style, noun)


def _english_determined(phrase: str, word: str, replacement: str, plural: bool, mass: bool) -> str:
    """The English phrase with its determiner in front."""
    if replacement:
        return f"{replacement} {phrase}"
    if word in ("ein", "kein") and not plural and not mass:
        return with_article(phrase)
    articles = {"der": "the", "dies": "these" if plural else "this", "jed": "every", "kein": "any"}
    articles.update({"viel": "many", "welch": "which"})
    return f"{articles.get(word, '')} {phrase}".strip()


def _pronoun_for(noun: Noun) -> str:
    if "she" in noun.tags:
        return "she"
    if "person" not in noun.tags:
        return "it"
    return {"m": "he", "f": "she", "n": "it"}[noun.gender]


def english_genitive(phrase: NounPhrase) -> str:
    """``the teacher's``, ``the teachers'``."""
    return phrase.english + ("'" if phrase.person == "3p" and phrase.english.endswith("s") else "'s")


def name_phrase(name: str, gender: str) -> NounPhrase:
    """A person's name."""
    forms = dict.fromkeys(("nom", "acc", "dat"), name)
    forms["gen"] = name + "s"
    return NounPhrase(forms, name, name, "3s", gender, "he" if gender == "m" else "she", "definite")


def pronoun_phrase(gender: str, pronoun: str, noun: Optional[Noun] = None) -> NounPhrase:
    """A pronoun: ``gender`` chooses the German one, ``pronoun`` is the English one."""
    person = {"I": "1s", "we": "1p", "they": "3p"}.get(pronoun, "3s")
    english = ENGLISH_PRONOUNS[pronoun][0]
    return NounPhrase(PRONOUNS[gender], english, pronoun, person, gender, pronoun, "pronoun", noun)


def referring_to(phrase: NounPhrase) -> NounPhrase:
    """The pronoun whose antecedent is ``phrase``."""
    return pronoun_phrase(phrase.gender, phrase.pronoun, phrase.noun)


def joined(first: NounPhrase, second: NounPhrase) -> NounPhrase:
    """Two phrases joined by ``und``: a plural."""
    forms = {case: f"{first.german(case)} und {second.german(case)}" for case in ("nom", "acc", "dat")}
    english = f"{first.english} and {second.english}"
    return NounPhrase(forms, english, english, "3p", "p", "they", "definite")


def distinguishable(subject: NounPhrase, other: NounPhrase, case: str) -> bool:
    """Whether a reader can tell subject and object apart when the object comes first.

    Through the case of either, through number, which the verb shows, or through sense.
    """
    if not other.animate or subject.person != other.person:
        return True
    return any(phrase.head("nom") != phrase.head(case) for phrase in (subject, other))
