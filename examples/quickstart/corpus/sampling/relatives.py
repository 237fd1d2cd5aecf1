"""Relative clauses: the pronoun agrees with its noun, the verb comes last, English leaves a gap."""

from typing import List, Optional, Tuple

from grammar.clauses import Clause, Part
from grammar.german import RELATIVE
from grammar.phrases import NounPhrase, distinguishable, noun_phrase
from lexicon.nouns import unambiguous
from lexicon.verbs import SEIN, VERBS, Verb, verbs_for
from lexicon.words import ADJECTIVES_OF

from sampling.clauses import ClauseSampler

Pair = Tuple[str, str]
PLACE_VERBS = ("wohnen", "arbeiten", "spielen", "schlafen", "tanzen")
PLACE_VERB_FRAMES = ((), ("place",), ("home",))


class RelativeSampler(ClauseSampler):
    """Draws relative clauses of every kind a noun phrase allows."""

    def maybe_relative(self, phrase: NounPhrase, depth: int, probability: float) -> NounPhrase:
        """Return the phrase, with a relative clause if the depth and a random draw allow it."""
        if depth <= 0 or phrase.noun is None or phrase.style == "pronoun" or not phrase.noun.plural:
            return phrase
        if not self.draw.chance(probability):
            return phrase
        relative = self.relative(phrase, depth - 1)
        return phrase.with_relative(*relative) if relative else phrase

    def relative(self, phrase: NounPhrase, depth: int) -> Optional[Pair]:
        """Draw a relative clause about the phrase; None if it would be ambiguous."""
        tags = phrase.tags
        kinds = [(self._subject_relative, 0.4), (self._object_relative, 0.4), (self._copular_relative, 0.1)]
        if "person" in tags:
            kinds.append((self._owner_relative, 0.1))
        if "place" in tags and not any(tag in tags for tag in ("at", "on", "crossing")):
            kinds.append((self._place_relative, 0.5))
        world = self.draw.weighted((("now", 0.5), ("past", 0.5)))
        return self.draw.weighted(kinds)(phrase, world, depth)

    def _pronoun(self, phrase: NounPhrase, object_case: bool = False) -> NounPhrase:
        """The relative pronoun as a noun phrase."""
        person = "person" in phrase.tags
        english = ("whom" if object_case else "who") if person else "that"
        forms = {case: row[phrase.gender] for case, row in RELATIVE.items()}
        return phrase._replace(
            forms=forms, english=english, english_subject=english, style="pronoun", relative=""
        )

    def _subject_relative(self, phrase: NounPhrase, world: str, depth: int) -> Optional[Pair]:
        verbs = verbs_for(*phrase.tags)
        if not verbs:
            return self._copular_relative(phrase, world, depth)
        pronoun = self._pronoun(phrase)
        timed = self.draw.chance(0.5)
        clause = self.clause(world, subject=pronoun, verbs=verbs, depth=depth, main=False, timed=timed)
        target = clause.part("definite", "indefinite")
        if target and target.phrase and not distinguishable(pronoun, target.phrase, "acc"):
            return None
        return clause.german_verb_final(), clause.english()

    def _object_relative(self, phrase: NounPhrase, world: str, depth: int) -> Optional[Pair]:
        """The pronoun is the verb's accusative, dative or prepositional object."""
        verb_and_item = self._verb_with_object(phrase.tags)
        if verb_and_item is None:
            return None
        verb, item = verb_and_item
        preposition, _, case = item.rpartition(":")
        timed = self.draw.chance(0.5)
        clause = self.clause(world, verbs=[verb], depth=depth, main=False, timed=timed, gap=item)
        pronoun = self._pronoun(phrase, object_case=True)
        if not preposition and not distinguishable(clause.subject, pronoun, case):
            return None
        german = f"{preposition} {pronoun.head(case)}".strip()
        return clause.german_verb_final(lead=german), clause.english(lead=pronoun.english)

    def _verb_with_object(self, tags: Tuple[str, ...]) -> Optional[Tuple[Verb, str]]:
        """Draw a verb whose only complement can have these tags; return it and the complement's frame item."""
        fitting: List[Tuple[Verb, str]] = []
        for verb in VERBS:
            items = [item for item in verb.frame if item in ("acc", "dat") or ":" in item]
            if len(verb.frame) == 1 and items and any(tag in verb.objects for tag in tags):
                fitting.append((verb, items[0]))
        return self.draw.pick(fitting) if fitting else None

    def _copular_relative(self, phrase: NounPhrase, world: str, depth: int) -> Optional[Pair]:
        """``der müde ist``."""
        adjectives = ADJECTIVES_OF.get(phrase.tags[0])
        if not adjectives:
            return None
        adjective = self.draw.pick(adjectives)
        predicate = Part("predicate", adjective.german, adjective.english)
        tense = "present" if world == "now" else "preterite"
        clause = Clause(self._pronoun(phrase), SEIN, tense, (predicate,))
        return clause.german_verb_final(), clause.english()

    def _owner_relative(self, phrase: NounPhrase, world: str, depth: int) -> Optional[Pair]:
        """``deren Hund krank ist``: whose dog is sick."""
        owned = noun_phrase(self.noun(unambiguous("object", "animal", "document")), False, "")
        adjective = self.draw.pick(ADJECTIVES_OF[owned.tags[0]])
        predicate = Part("predicate", adjective.german, adjective.english)
        tense = "present" if world == "now" else "preterite"
        clause = Clause(owned, SEIN, tense, (predicate,))
        lead = RELATIVE["gen"][phrase.gender]
        return clause.german_verb_final(lead=lead), clause.english(lead="whose")

    def _place_relative(self, phrase: NounPhrase, world: str, depth: int) -> Optional[Pair]:
        """``in dem der Mann wohnt``: in which the man lives."""
        verbs = [
            verb
            for verb in VERBS
            if verb.infinitive in PLACE_VERBS and verb.frame in ((), ("place",), ("home",))
        ]
        timed = self.draw.chance(0.4)
        clause = self.clause(world, verbs=verbs, depth=depth, main=False, timed=timed, gap="place")
        if clause.part("place"):
            return None
        lead = f"in {RELATIVE['dat'][phrase.gender]}"
        return clause.german_verb_final(lead=lead), clause.english(lead="in which")
