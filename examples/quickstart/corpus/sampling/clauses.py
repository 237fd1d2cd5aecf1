"""Random clauses: a verb, its complements, adverbials, tense, voice and negation."""

from dataclasses import replace
from typing import List, Optional, Sequence, Tuple

from grammar.clauses import MODAL_PASTS, Clause, Part
from grammar.german import contract, reflexive
from grammar.phrases import NounPhrase, distinguishable, noun_phrase, pronoun_phrase
from lexicon.nouns import nouns_with
from lexicon.verbs import VERBS, Verb, verbs_for
from lexicon.words import FREQUENCIES, MANNERS, SENTENCE_ADVERBS

from sampling.phrases import PhraseSampler

MODALS = ("können", "müssen", "wollen", "sollen", "dürfen")
PASSIVE_MODALS = ("können", "müssen", "sollen")
# frame item: (preposition, case, English preposition, tags)
SUPPORTS = {
    "upon": ("auf", "dat", "on", "surface"),
    "onto": ("auf", "acc", "on", "surface"),
    "inside": ("in", "dat", "in", "container"),
    "into": ("in", "acc", "into", "container"),
}
OTHERS = tuple(verb for verb in VERBS if verb.subjects != ("person",))
PLACE_FRAMES = ("place", "home", "goal", "newhome", "upon", "onto", "inside", "into", "in:acc", "aus:dat")
HOMES = ("town", "building", "room")


class ClauseSampler(PhraseSampler):
    """Draws clauses; ``depth`` is the number of further levels of relative clauses."""

    def clause(
        self,
        world: str,
        *,
        subject: Optional[NounPhrase] = None,
        verbs: Sequence[Verb] = (),
        depth: int = 1,
        main: bool = True,
        timed: bool = True,
        positive: bool = False,
        gap: str = "",
    ) -> Clause:
        """Draw a clause in the ``now`` or ``past`` world.

        Only a ``main`` clause takes sentence adverbs and a fronted constituent, only a ``timed`` one
        a time; a ``positive`` one has no negation. ``gap`` is the frame item that a relative
        pronoun or a question word fills.
        """
        if subject is not None:
            verbs = verbs or verbs_for(*subject.tags)
        verb = self.draw.pick(verbs or (verbs_for("person") if self.draw.chance(0.88) else OTHERS))
        has_passive = subject is None and not gap and verb.frame == ("acc",) and "p" in verb.flags
        if has_passive and self.draw.chance(0.12):
            passive = self.passive(world, verb, timed, positive)
            return self._fronted(passive) if main else passive
        subject = subject or self.subject_of(verb, depth)
        tense = self.tense(world, verb, subject)
        negated = not positive and self.draw.chance(0.14)
        parts, none = self.complements(verb, subject, negated, depth, gap)
        adverbials, english_tense = self.adverbials(verb, tense, negated, main, timed)
        if any(part.phrase is not None and part.phrase.relative for part in parts):
            adverbials = [part for part in adverbials if part.slot != "place" and part.slot != "manner"]
            english_tense = "" if english_tense == "gern" else english_tense
        nicht = [Part("nicht", "nicht", "")] if negated and not none else []
        clause = Clause(subject, verb, tense, tuple(parts + adverbials + nicht), english_tense, negated)
        clause = self._extraposed(clause)
        return self._fronted(clause) if main else clause

    def world(self) -> str:
        """Draw a world: ``now`` (present and future) or ``past``."""
        return "now" if self.draw.chance(0.58) else "past"

    def subject_of(self, verb: Verb, depth: int) -> NounPhrase:
        """Draw a subject that the verb allows."""
        if verb.subjects == ("person",):
            if "a" in verb.flags and self.draw.chance(0.3):
                return self.maybe_relative(self.phrase(nouns_with("animal")), depth, 0.12)
            return self.maybe_relative(self.person(), depth, 0.12)
        return self.maybe_relative(self.phrase(nouns_with(*verb.subjects)), depth, 0.12)

    def maybe_relative(self, phrase: NounPhrase, depth: int, probability: float) -> NounPhrase:
        """Return the phrase, sometimes with a relative clause (see relatives.py)."""
        return phrase

    def tense(self, world: str, verb: Verb, subject: NounPhrase) -> str:
        """Draw a tense: mostly the plain one of the world; a modal only if the subject can act."""
        acts = "person" in subject.tags and "n" not in verb.flags
        if world == "past":
            return self.draw.pick(tuple(MODAL_PASTS)) if acts and self.draw.chance(0.25) else "perfect"
        kind = self.draw.weighted((("present", 0.62), ("future", 0.12), ("modal", 0.26)))
        if kind == "modal":
            return self.draw.pick(MODALS) if acts else "present"
        return kind

    def complements(
        self, verb: Verb, subject: NounPhrase, negated: bool, depth: int, gap: str = ""
    ) -> Tuple[List[Part], bool]:
        """Draw the complements of the verb's frame; return them and whether ``kein`` expresses the negation."""
        parts = [Part("reflexive", reflexive(subject.person), "")] if verb.reflexive else []
        none = False
        for item in verb.frame:
            if item == gap or (gap == "place" and item == "home"):
                continue
            if item == "acc":
                none = negated and self.draw.chance(0.45)
                phrase = self.object(verb, "acc", subject, "kein" if none else "", negated, depth)
                parts.append(Part(phrase.style, phrase.german("acc"), phrase.english, phrase))
            elif item == "dat":
                parts.append(self.dative(verb, subject, negated, depth))
            elif item in ("place", "home"):
                parts.append(Part("goal", *self.location(HOMES if item == "home" else ("place",))))
            elif item in ("goal", "newhome"):
                parts.append(Part("goal", *self.destination(HOMES if item == "newhome" else ("place",))))
            elif item in SUPPORTS:
                preposition, case, english, tag = SUPPORTS[item]
                support = noun_phrase(self.noun(nouns_with(tag)), False, "der")
                german = contract(preposition, support.german(case))
                parts.append(Part("goal", german, f"{english} {support.english}"))
            else:
                preposition, case = item.split(":")
                phrase = self.object(verb, case, subject, "", negated, depth)
                german = contract(preposition, phrase.german(case))
                parts.append(Part("prepositional", german, phrase.english, phrase))
        return parts, none

    def dative(self, verb: Verb, subject: NounPhrase, negated: bool, depth: int) -> Part:
        """Draw the dative: the only object, or the receiver, which English marks with ``to``."""
        receiver = "acc" in verb.frame
        receiving = verb._replace(objects=("person",)) if receiver else verb
        phrase = self.object(receiving, "dat", subject, "", negated, 0 if receiver else depth)
        slot = "pronoun_dative" if phrase.style == "pronoun" else "dative"
        english = f"to {phrase.english}" if receiver else phrase.english
        return Part(slot, phrase.german("dat"), english, phrase)

    def object(
        self, verb: Verb, case: str, subject: NounPhrase, word: str, negated: bool, depth: int
    ) -> NounPhrase:
        """Draw an object; beside ``nicht`` it is definite."""
        if not word and self.draw.chance(0.1):
            pronoun = self.object_pronoun(verb, case, subject)
            if pronoun:
                return pronoun
        if verb.objects == ("person",) and self.draw.chance(0.15):
            name = self.name()
            if name.english != subject.english:
                return name
        if not word and negated:
            word = self.draw.weighted((("der", 0.8), ("dies", 0.2)))
        phrase = self.phrase(nouns_with(*verb.objects), owner=subject, word=word)
        return self.maybe_relative(phrase, 0 if len(verb.frame) > 1 else depth, 0.16)

    def object_pronoun(self, verb: Verb, case: str, subject: NounPhrase) -> Optional[NounPhrase]:
        """Draw a pronoun with only one English translation without context (so no accusative ``sie``)."""
        if verb.objects == ("person",):
            gender, english = self.draw.pick(
                (("ich", "I"), ("wir", "we"), ("m", "he"), ("f", "she") if case == "dat" else ("m", "he"))
            )
            alike = subject.person in ("1s", "1p") and gender in ("ich", "wir")
            return None if alike else pronoun_phrase(gender, english)
        things = all("person" not in noun.tags for noun in nouns_with(*verb.objects))
        if things and case == "acc" and verb.frame[0] == "acc":
            noun = self.draw.pick(nouns_with(*verb.objects))
            return pronoun_phrase(noun.gender, "it", noun) if noun.gender != "f" and noun.plural else None
        return None

    def adverbials(
        self, verb: Verb, tense: str, negated: bool, main: bool, timed: bool
    ) -> Tuple[List[Part], str]:
        """Draw time, place, manner, frequency and sentence adverbs; return them and the English tense they require."""
        chance = self.draw.chance
        parts: List[Part] = []
        english_tense = ""
        if timed and "d" in verb.flags and tense == "present" and chance(0.3):
            german, english = self.duration()
            return [Part("time", f"seit {german}", f"for {english}")], "present_perfect"
        if timed and chance(0.4):
            time = self.time(tense)
            parts.append(Part("time", time.german, time.english))
            if tense == "present" and time.tenses == "future":
                english_tense = "future"
        elif not negated and tense in ("present", "perfect") and chance(0.14):
            parts.append(Part("frequency", *self.draw.pick(FREQUENCIES)))
        elif tense == "present" and "g" in verb.flags and chance(0.18):
            return [Part("manner", "gern", "")], "gern"
        placed = any(item in PLACE_FRAMES for item in verb.frame) or "n" in verb.flags
        if not placed and chance(0.16):
            parts.append(Part("place", *self.location()))
        elif "m" in verb.flags and chance(0.25):
            parts.append(Part("manner", *self.draw.pick(MANNERS)))
        if main and chance(0.1):
            parts.append(Part("sentence", *self.draw.pick(SENTENCE_ADVERBS)))
        return parts, english_tense

    def passive(self, world: str, verb: Verb, timed: bool, positive: bool) -> Clause:
        """Draw a passive clause: the object is the subject; the agent follows ``von`` or is left out."""
        subject = self.phrase(nouns_with(*verb.objects))
        tense = self.draw.pick(("perfect", "preterite"))
        if world == "now":
            tense = self.draw.weighted((("present", 0.6), ("modal", 0.25), ("future", 0.15)))
            tense = self.draw.pick(PASSIVE_MODALS) if tense == "modal" else tense
        parts, english_tense = self.adverbials(verb._replace(flags="p"), tense, False, False, timed)
        if self.draw.chance(0.5):
            agent = self.person(pronouns=False) if verb.subjects == ("person",) else None
            agent = agent or self.phrase(nouns_with(*verb.subjects))
            parts.append(Part("agent", contract("von", agent.german("dat")), f"by {agent.english}"))
        often = any(part.slot == "frequency" for part in parts)
        negated = not positive and not often and self.draw.chance(0.12)
        if negated and subject.noun is not None and subject.style != "definite":
            subject = noun_phrase(subject.noun, subject.person == "3p", "der")
        parts += [Part("nicht", "nicht", "")] if negated else []
        return Clause(subject, verb, tense, tuple(parts), english_tense, negated, passive=True)

    def _fronted(self, clause: Clause) -> Clause:
        """Sometimes put another constituent than the subject before the finite verb."""
        slots = [part.slot for part in clause.parts if self._may_lead(clause, part)]
        if "sentence" in slots:
            slots = [slot for slot in slots if slot not in ("time", "place")]
        if "time" in slots and any(part.phrase is not None and part.phrase.relative for part in clause.parts):
            return replace(clause, front="time")  # in English a time behind a long object would be misread
        return replace(clause, front=self.draw.pick(slots)) if slots and self.draw.chance(0.45) else clause

    def _may_lead(self, clause: Clause, part: Part) -> bool:
        if part.slot in ("time", "place", "sentence", "prepositional"):
            return True
        if part.slot not in ("definite", "dative", "goal") or clause.subject.style == "pronoun":
            return False
        if clause.extraposed:
            return False
        if part.slot == "goal" or part.phrase is None:
            return self.draw.chance(0.3)
        return distinguishable(clause.subject, part.phrase, "dat" if part.slot == "dative" else "acc")

    def _extraposed(self, clause: Clause) -> Clause:
        """Move the object's relative clause behind the verb that ends the German clause."""
        heavy = [part for part in clause.parts if part.phrase is not None and part.phrase.relative]
        middle = [part for part in clause.parts if part.slot in ("goal", "place", "agent", "prepositional")]
        closes = bool(clause.bracket()[1])
        if len(heavy) != 1 or heavy[0].slot not in ("definite", "indefinite") or middle or not closes:
            return clause
        if clause.subject.relative or self.draw.chance(0.35):
            return clause
        phrase = heavy[0].phrase
        assert phrase is not None
        bare = heavy[0]._replace(german=phrase.head("acc"))
        parts = tuple(bare if part is heavy[0] else part for part in clause.parts)
        return replace(clause, parts=parts, extraposed=phrase.relative)
