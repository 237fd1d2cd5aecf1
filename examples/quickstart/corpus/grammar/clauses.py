"""One clause, written in German order (main, verb-first, verb-final, zu-infinitive) and in English order."""

from dataclasses import dataclass, replace
from typing import List, NamedTuple, Optional, Tuple

from lexicon.verbs import Verb, auxiliary

from grammar.english import gerund, verb_group
from grammar.phrases import NounPhrase

# The order of the German middle field; English order is another (time last, objects next to the verb).
GERMAN_ORDER = (
    *("reflexive", "pronoun", "pronoun_dative", "sentence", "time", "frequency", "dative", "definite"),
    *("nicht", "manner", "place", "indefinite", "agent", "prepositional", "goal", "predicate"),
)
ENGLISH_ORDER = (
    *("pronoun", "definite", "indefinite", "pronoun_dative", "dative", "prepositional", "predicate"),
    *("agent", "goal", "manner", "place", "time"),
)
DIRECT_OBJECTS = ("pronoun", "definite", "indefinite")
MODAL_PASTS = {"konnte": "können", "musste": "müssen", "wollte": "wollen", "durfte": "dürfen"}
FRONTED_IN_ENGLISH = ("time", "place", "sentence")


class Part(NamedTuple):
    """One constituent: its slot in the two orders, its words in the two languages."""

    slot: str
    german: str
    english: str
    phrase: Optional[NounPhrase] = None


@dataclass(frozen=True)
class Clause:
    """The content of one clause; the methods order and inflect it.

    ``tense`` is infinitive, present, perfect, pluperfect, preterite, future, or a modal (``können``; past:
    ``konnte``). ``english_tense`` is set where English differs: with ``gern``, ``seit`` and
    with a future time. ``front`` is the slot before the finite verb of a German main clause.
    ``extraposed`` is a relative clause moved behind the German verb, to its noun in English.
    """

    subject: NounPhrase
    verb: Verb
    tense: str
    parts: Tuple[Part, ...] = ()
    english_tense: str = ""
    negated: bool = False
    passive: bool = False
    front: str = "subject"
    extraposed: str = ""

    def part(self, *slots: str) -> Optional[Part]:
        """The first part in one of the slots."""
        return next((part for part in self.parts if part.slot in slots), None)

    # German

    def bracket(self) -> Tuple[str, List[str]]:
        """The finite verb, and the words that close the clause: prefix, participle, infinitive."""
        person, verb = self.subject.person, self.verb
        if self.tense == "infinitive":
            return "", [verb.zu_infinitive]
        if self.tense in ("perfect", "pluperfect"):
            lemma = "sein" if self.passive else verb.auxiliary
            closing = [verb.participle, "worden" if self.passive else ""]
            return auxiliary(lemma, person, past=self.tense == "pluperfect"), list(filter(None, closing))
        if self.tense in ("present", "preterite"):
            if self.passive:
                return auxiliary("werden", person, past=self.tense == "preterite"), [verb.participle]
            if self.tense == "preterite":
                return auxiliary(verb.base, person, past=True), []
            return verb.present(person), [verb.prefix] if verb.prefix else []
        lemma = "werden" if self.tense == "future" else MODAL_PASTS.get(self.tense, self.tense)
        past = self.tense in MODAL_PASTS
        closing = [verb.participle, "werden"] if self.passive else [verb.infinitive]
        return auxiliary(lemma, person, past), closing

    def _middle(self, without: Optional[Part] = None) -> List[str]:
        parts = [part for part in self.parts if part is not without and part.slot in GERMAN_ORDER]
        return [part.german for part in sorted(parts, key=lambda part: GERMAN_ORDER.index(part.slot))]

    def _subject_and_middle(self, without: Optional[Part] = None) -> List[str]:
        """The subject, before everything but a reflexive pronoun if it is not itself a pronoun."""
        middle = self._middle(without)
        position = 1 if self.part("reflexive") and self.subject.style != "pronoun" else 0
        return [*middle[:position], self.subject.german("nom"), *middle[position:]]

    def german_main(self, with_subject: bool = True) -> str:
        """The German main clause: verb second."""
        finite, closing = self.bracket()
        front = self.part(self.front)
        if front is None:
            first = [self.subject.german("nom")] if with_subject else []
            words = [*first, finite, *self._middle()]
        else:
            words = [front.german, finite, *self._subject_and_middle(front)]
        return " ".join(words + closing + self._behind())

    def german_verb_first(self) -> str:
        """The German clause with the verb first: a yes/no question, or a main clause after a fronted word or clause."""
        finite, closing = self.bracket()
        return " ".join([finite, *self._subject_and_middle(), *closing, *self._behind()])

    def german_verb_final(self, lead: str = "") -> str:
        """The German subordinate clause; ``lead`` is its conjunction or relative pronoun."""
        finite, closing = self.bracket()
        if self.verb.prefix and closing == [self.verb.prefix]:
            finite, closing = self.verb.prefix + finite, []
        words = [lead] * bool(lead) + self._subject_and_middle()
        return " ".join(words + closing + [finite] + self._behind())

    def german_infinitive(self, lead: str = "") -> str:
        """The German zu-infinitive clause; ``lead`` is ``um``, ``ohne``, ``statt`` or nothing."""
        words = [lead] * bool(lead) + self._middle()
        return " ".join([*words, self.verb.zu_infinitive, *self._behind()])

    def _behind(self) -> List[str]:
        return [f", {self.extraposed} ,"] if self.extraposed else []

    # English

    def _english_rest(self, fronted: Optional[Part]) -> List[str]:
        """The words after the English verb; the particle stands before a long object and after a short one."""
        behind_verb = [part for part in self.parts if part.slot in ENGLISH_ORDER and part.english]
        ordered = sorted(behind_verb, key=lambda part: ENGLISH_ORDER.index(part.slot))
        ordered = [part for part in ordered if part is not fronted]
        words = [part.english for part in ordered]
        if self.verb.particle:
            target = next((part for part in ordered if part.slot in DIRECT_OBJECTS), None)
            heavy = target is not None and target.phrase is not None and bool(target.phrase.relative)
            late = self.verb.late_particle and not heavy
            behind = target is not None and (target.slot == "pronoun" or late)
            words.insert(1 if behind else 0, self.verb.particle)
        return words

    def english(self, inverted: bool = False, with_subject: bool = True, lead: str = "") -> str:
        """The English clause: subject first, or (``inverted``) operator first; ``lead`` stands before all."""
        tense = self.english_tense or self.tense
        if tense == "müssen" and self.negated:
            tense = "not müssen"
        needs_operator = self.negated or inverted
        person = self.subject.person
        operator, main = verb_group(self.verb.english, tense, person, needs_operator, self.passive)
        subject = self.subject.english_subject if with_subject else ""
        frequency = self.part("frequency")
        negation = "not" if self.negated else ""
        if operator == "can" and negation and not inverted:
            operator, negation = "cannot", ""
        start = [operator, subject] if inverted else [subject, operator]
        words = [lead, *start, negation, frequency.english if frequency else "", main, self.verb.fixed]
        front = self.part(self.front) if self.front in FRONTED_IN_ENGLISH else self.part("sentence")
        words += self._english_rest(front)
        if front is not None:
            words.insert(0, front.english if front.slot == "sentence" else f"{front.english} ,")
        return " ".join(filter(None, words))

    def english_orders(self) -> Tuple[str, ...]:
        """The English clause with its time at the other end, if it has a time that may move."""
        if self.part("time") is None or self.part("sentence") is not None or self.front == "place":
            return ()
        return (replace(self, front="subject" if self.front == "time" else "time").english(),)

    def english_nonfinite(self, form: str) -> str:
        """The English infinitive (``form`` is ``to``) or gerund (``-ing``) clause, without a subject."""
        verb = gerund(self.verb.english) if form == "-ing" else f"to {self.verb.english}"
        return " ".join(filter(None, [verb, self.verb.fixed, *self._english_rest(None)]))
