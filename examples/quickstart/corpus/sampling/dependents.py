"""Clauses that depend on another one: through a pronoun, an infinitive, or a question word."""

from dataclasses import replace
from typing import Optional, Tuple

from grammar.clauses import Clause, Part
from grammar.phrases import NounPhrase, pronoun_phrase, referring_to
from lexicon.verbs import AUSSEHEN, REGNEN, SEIN, WERDEN, verbs_for
from lexicon.words import ADJECTIVES_OF, PERSON_ONLY

from sampling.clauses import PLACE_FRAMES
from sampling.relatives import RelativeSampler

IT = pronoun_phrase("n", "it")


def without_future(clause: Clause) -> Clause:
    """Replace the future (``if he comes tomorrow``, not ``if he will come``), and drop ``seit`` with a duration."""
    if clause.english_tense == "present_perfect":
        clause = replace(clause, parts=tuple(part for part in clause.parts if part.slot != "time"))
    tense = "present" if clause.tense == "future" else clause.tense
    english_tense = clause.english_tense if clause.english_tense == "gern" else ""
    return replace(clause, tense=tense, english_tense=english_tense)


class DependentSampler(RelativeSampler):
    """Draws clauses that continue a given one."""

    def about(self, phrase: NounPhrase, world: str, dynamic: bool) -> Clause:
        """Draw a clause with ``phrase`` as its subject; ``dynamic`` excludes copular clauses."""
        verbs = verbs_for(*phrase.tags)
        if not verbs or "animal" in phrase.tags or (not dynamic and self.draw.chance(0.22)):
            return self.copula(phrase, world)
        timed = self.draw.chance(0.4)
        return self.clause(world, subject=phrase, verbs=verbs, main=False, timed=timed, positive=dynamic)

    def copula(self, subject: NounPhrase, world: str) -> Clause:
        """``sein``, ``werden`` or ``aussehen`` with an adjective.

        After a pronoun it is one that only persons, or only other things, can have, and so
        tells what the pronoun stands for.
        """
        group = subject.tags[0]
        choices = ADJECTIVES_OF[group]
        if subject.style == "pronoun":
            impersonal = [one for one in choices if "person" not in one.groups]
            choices = PERSON_ONLY if group == "person" else impersonal
        adjective = self.draw.pick(choices)
        verbs = ((SEIN, 0.7), (WERDEN, 0.1), (AUSSEHEN, 0.2)) if group == "person" else ((SEIN, 1.0),)
        verb = self.draw.weighted(verbs)
        tense = "present" if world == "now" else "preterite" if verb is SEIN else "perfect"
        predicate = Part("predicate", adjective.german, adjective.english)
        negated = self.draw.chance(0.15)
        parts = (predicate, Part("nicht", "nicht", "")) if negated else (predicate,)
        return Clause(subject, verb, tense, parts, negated=negated)

    def topic(self, clause: Clause) -> Optional[NounPhrase]:
        """Return the clause's subject or object, if a pronoun for it is unambiguous."""
        target = clause.part("definite", "indefinite")
        thing = target.phrase if target else None
        thing = thing if thing and thing.noun and thing.noun.plural and not thing.animate else None
        if thing is not None and thing.tags[0] in ADJECTIVES_OF and self.draw.chance(0.35):
            return thing
        subject = clause.subject
        if subject.tags[0] not in ADJECTIVES_OF:
            return None
        others = [part.phrase for part in clause.parts if part.phrase is not None and part.phrase.animate]
        if any(other.gender == subject.gender and other.pronoun != subject.pronoun for other in others):
            return None
        return subject

    def followed(self, clause: Clause, world: str, dynamic: bool = False) -> Clause:
        """Draw a second clause: about the first one's subject or object, or about something new."""
        topic = self.topic(clause) if self.draw.chance(0.65) else None
        if topic is None or (dynamic and "person" not in topic.tags):
            timed = self.draw.chance(0.3)
            return self.clause(world, depth=0, main=False, timed=timed, positive=dynamic)
        return self.about(topic if topic.style == "pronoun" else referring_to(topic), world, dynamic)

    def rain(self, world: str) -> Clause:
        """``es regnet``: an ``es`` that refers to nothing."""
        return Clause(IT, REGNEN, "present" if world == "now" else "perfect")

    def action(self, subject: NounPhrase) -> Clause:
        """Draw a deliberate action of ``subject``, for an infinitive clause."""
        verbs = [verb for verb in verbs_for("person") if "n" not in verb.flags]
        verb = self.draw.pick(verbs)
        parts, _ = self.complements(verb, subject, False, 1)
        adverbials, _ = self.adverbials(verb, "infinitive", False, False, False)
        return self._extraposed(Clause(subject, verb, "infinitive", tuple(parts + adverbials)))

    def asked(self, word: Tuple[str, str], world: str) -> Tuple[Tuple[str, str], Clause]:
        """Draw a clause that a question word can lead; ``warum`` replaces a word that does not fit."""
        clause = self.clause(world, main=False, timed=False, positive=word[0] != "warum")
        verb = clause.verb
        if word[0] == "wo":
            if "n" in verb.flags or any(item in PLACE_FRAMES for item in verb.frame):
                return ("warum", "why"), clause
            return word, replace(clause, parts=tuple(part for part in clause.parts if part.slot != "place"))
        if word[0] == "wie oft":
            parts = tuple(part for part in clause.parts if part.slot != "frequency")
            return word, replace(clause, parts=parts)
        return word, clause
