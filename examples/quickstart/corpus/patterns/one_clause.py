"""Sentences of one clause: statements, questions, comparisons, likings, existence."""

from typing import Tuple

from grammar.clauses import Clause, Part
from grammar.german import contract
from grammar.phrases import NounPhrase, distinguishable, noun_phrase
from grammar.sentence import Sentence
from lexicon.clause_words import QUESTION_WORDS, SPEECH_VERBS
from lexicon.nouns import nouns_with, unambiguous
from lexicon.verbs import GEFALLEN, SCHMECKEN, SEIN, verbs_for
from lexicon.words import ADJECTIVES_OF, CITIES
from sampling.dependents import DependentSampler

COPULAR_TAGS = ("person", "object", "place", "document", "food", "event", "animal", "idea")
LIKED_TAGS = ("document", "picture", "sight", "clothes", "song")


def statement(sampler: DependentSampler) -> Sentence:
    """A main clause; only here a relative clause may contain another one."""
    clause = sampler.clause(sampler.world(), depth=2 if sampler.draw.chance(0.15) else 1)
    return Sentence(clause.german_main(), clause.english(), orders=clause.english_orders())


def yes_no_question(sampler: DependentSampler) -> Sentence:
    """The German finite verb first; in English an auxiliary, ``do`` if need be."""
    clause = sampler.clause(sampler.world(), main=False)
    return Sentence(clause.german_verb_first(), clause.english(inverted=True), "?")


def word_question(sampler: DependentSampler) -> Sentence:
    """``warum``, ``wann``, ``wie oft``, ``wo``."""
    (german, english), clause = sampler.asked(sampler.draw.pick(QUESTION_WORDS), sampler.world())
    return Sentence(
        f"{german} {clause.german_verb_first()}", clause.english(inverted=True, lead=english), "?"
    )


def which_question(sampler: DependentSampler) -> Sentence:
    """``Welchen Brief ...?``: a question for the object."""
    verb = sampler.draw.pick([verb for verb in verbs_for("person") if verb.frame == ("acc",)])
    clause = sampler.clause(sampler.world(), verbs=[verb], depth=0, main=False, timed=False, gap="acc")
    noun = sampler.noun(nouns_with(*verb.objects))
    asked = noun_phrase(noun, bool(noun.plural) and sampler.draw.chance(0.3), "welch")
    if not distinguishable(clause.subject, asked, "acc"):
        return which_question(sampler)
    german = f"{asked.head('acc')} {clause.german_verb_first()}"
    return Sentence(german, clause.english(inverted=True, lead=asked.english), "?")


def description(sampler: DependentSampler) -> Sentence:
    """An adjective as the predicate."""
    tag = sampler.draw.pick(COPULAR_TAGS)
    noun = sampler.noun([noun for noun in unambiguous(tag) if noun.tags[0] == tag])
    subject = noun_phrase(noun, sampler.draw.chance(0.25), sampler.draw.pick(("der", "dies")))
    clause = sampler.copula(sampler.maybe_relative(subject, 1, 0.3), sampler.world())
    return Sentence(clause.german_main(), clause.english())


def comparison(sampler: DependentSampler) -> Sentence:
    """``größer als``, ``so groß wie``."""
    draw = sampler.draw
    tag = draw.pick(COPULAR_TAGS)
    candidates = [noun for noun in unambiguous(tag) if noun.tags[0] == tag]
    subject = noun_phrase(sampler.noun(candidates), draw.chance(0.25), draw.pick(("der", "dies")))
    candidates = [
        noun for noun in candidates if not subject.english.endswith((noun.english, noun.english_plural))
    ]
    other = noun_phrase(sampler.noun(candidates), draw.chance(0.25), draw.pick(("der", "dies")))
    adjective = draw.pick([one for one in ADJECTIVES_OF[tag] if one.comparative != "-"])
    if draw.chance(0.6):
        german = f"{adjective.comparative} als {other.german('nom')}"
        english = f"{adjective.english_comparative} than {other.english}"
    else:
        german = f"so {adjective.german} wie {other.german('nom')}"
        english = f"as {adjective.english} as {other.english}"
    negated = draw.chance(0.25)
    parts = [Part("predicate", german, english)] + [Part("nicht", "nicht", "")] * negated
    tense = "present" if sampler.world() == "now" else "preterite"
    clause = Clause(subject, SEIN, tense, tuple(parts), negated=negated)
    return Sentence(clause.german_main(), clause.english())


def liking(sampler: DependentSampler) -> Sentence:
    """``Dem Kind gefällt das Lied``: the German dative is the English subject."""
    draw = sampler.draw
    verb = draw.pick((GEFALLEN, GEFALLEN, SCHMECKEN))
    tags = ("food",) if verb is SCHMECKEN else LIKED_TAGS
    thing = sampler.maybe_relative(sampler.phrase(unambiguous(*tags), word="der"), 1, 0.25)
    person = sampler.person()
    tense = "present" if sampler.world() == "now" else "perfect"
    negated = draw.chance(0.25)
    slot = "pronoun_dative" if person.style == "pronoun" else "dative"
    parts = [Part(slot, person.german("dat"), "")] + [Part("nicht", "nicht", "")] * negated
    front = slot if draw.chance(0.6) else "subject"
    german = Clause(thing, verb, tense, tuple(parts), front=front)
    english = Clause(person, verb, tense, (Part("definite", "", thing.english),), negated=negated)
    return Sentence(german.german_main(), english.english())


def existence(sampler: DependentSampler) -> Sentence:
    """``In der Stadt gibt es ...``, sometimes as indirect speech."""
    draw = sampler.draw
    (german_place, english_place), thing = _place_and_thing(sampler)
    now = draw.chance(0.6)
    verb, plural = ("gibt" if now else "gab"), thing.person == "3p"
    be = ("are" if plural else "is") if now else ("were" if plural else "was")
    english = f"there {be} {thing.english} {english_place}"
    if draw.chance(0.4):
        world, subject = "now" if now else "past", sampler.person()
        main = sampler.clause(world, subject=subject, verbs=SPEECH_VERBS, depth=0, timed=False)
        german = f"dass es {german_place} {thing.german('acc')} {verb}"
        return Sentence(f"{main.german_main()} , {german}", f"{main.english()} that {english}")
    if draw.chance(0.6):
        return Sentence(f"{german_place} {verb} es {thing.german('acc')}", english)
    return Sentence(f"es {verb} {german_place} {thing.german('acc')}", english)


def _place_and_thing(sampler: DependentSampler) -> Tuple[Tuple[str, str], NounPhrase]:
    """Draw a place and a thing: a building in a town, or furniture in a room."""
    draw = sampler.draw
    word = draw.pick(("ein", "ein", "viel", "zwei two", "drei three"))
    in_town = draw.chance(0.5)
    if in_town and draw.chance(0.5):
        city = draw.pick(CITIES)
        place = (f"in {city[0]}", f"in {city[1]}")
    else:
        phrase = sampler.place(("town",) if in_town else ("room",))
        place = (contract("in", phrase.head("dat")), f"in {phrase.english}")
    noun = sampler.noun(unambiguous(*(("building", "crossing") if in_town else ("furniture", "device"))))
    return place, noun_phrase(noun, word != "ein", word, sampler.adjectives(noun))
