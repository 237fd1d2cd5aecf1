"""Sentences of two finite clauses: subordination, indirect speech, coordination."""

from dataclasses import replace
from typing import Tuple

from grammar.clauses import Clause, Part
from grammar.phrases import referring_to
from grammar.sentence import Sentence
from lexicon.clause_words import (
    CONJUNCTIONS,
    COORDINATIONS,
    DYNAMIC,
    INVERTING,
    QUESTION_WORDS,
    SPEECH_VERBS,
    TIMELESS,
    WONDERING_VERBS,
)
from lexicon.verbs import verbs_for
from sampling.dependents import DependentSampler, without_future


def _conjunction(sampler: DependentSampler) -> Tuple[str, str, str, str]:
    """A conjunction, its English, and the worlds of the main and the subordinate clause."""
    german, english, worlds = sampler.draw.pick(CONJUNCTIONS)
    world = sampler.world()
    first, second = (world, world) if worlds == "same" else worlds.split()
    return german, english, first, second


def _subordinated(clause: Clause, conjunction: str) -> Clause:
    """The tense that the conjunction demands."""
    if conjunction == "nachdem":
        return replace(clause, tense="pluperfect", english_tense="")
    return without_future(clause) if conjunction in TIMELESS else clause


def main_first(sampler: DependentSampler) -> Sentence:
    """A main clause, then a subordinate one."""
    german, english, first, second = _conjunction(sampler)
    main = sampler.clause(first, timed=sampler.draw.chance(0.4))
    raining = sampler.draw.chance(0.06)
    clause = sampler.rain(second) if raining else sampler.followed(main, second, german in DYNAMIC)
    clause = _subordinated(clause, german)
    return Sentence(f"{main.german_main()} , {clause.german_verb_final(lead=german)}", *_english(main, english, clause))


def _english(main: Clause, conjunction: str, clause: Clause) -> Tuple[str, str, Tuple[str, ...]]:
    """The English with the main clause first, the end mark, and the English with the subordinate clause first."""
    lead = conjunction.replace(",", "").strip()
    first = f"{clause.english(lead=lead)} , {main.english()}"
    return f"{main.english()} {conjunction} {clause.english()}", ".", (first,)


def subordinate_first(sampler: DependentSampler) -> Sentence:
    """A subordinate clause, then the main one, which begins with its verb in German."""
    german, english, first, second = _conjunction(sampler)
    dynamic = german in DYNAMIC
    clause = sampler.clause(second, main=False, timed=sampler.draw.chance(0.4), positive=dynamic)
    main = sampler.followed(clause, first, dynamic)
    clause = _subordinated(clause, german)
    last, end, (first,) = _english(main, english, clause)
    return Sentence(f"{clause.german_verb_final(lead=german)} , {main.german_verb_first()}", first, end, (last,))


def indirect(sampler: DependentSampler) -> Sentence:
    """A clause as the object of saying or wondering, sometimes with its reason behind it."""
    draw = sampler.draw
    wondering = draw.chance(0.4)
    verb = draw.pick(WONDERING_VERBS if wondering else SPEECH_VERBS)
    world = sampler.world()
    main = sampler.clause(world, subject=sampler.person(), verbs=[verb], depth=0, timed=False)
    inner_world = world if world == "past" else sampler.world()
    german, english = ("ob", "whether") if wondering else ("dass", "that")
    if wondering and draw.chance(0.5):
        (german, english), clause = sampler.asked(draw.pick(QUESTION_WORDS), inner_world)
    else:
        clause = sampler.rain(inner_world) if draw.chance(0.05) else sampler.followed(main, inner_world)
    german_words = f"{main.german_main()} , {clause.german_verb_final(lead=german)}"
    english_words = f"{main.english()} {english} {clause.english()}"
    if draw.chance(0.12):
        reason = sampler.clause(inner_world, depth=0, main=False, timed=False)
        german_words += f" , {reason.german_verb_final(lead='weil')}"
        english_words += f" because {reason.english()}"
    return Sentence(german_words, english_words)


def coordination(sampler: DependentSampler) -> Sentence:
    """Two main clauses; after ``deshalb`` and ``trotzdem`` the verb comes first."""
    german, english = sampler.draw.pick(COORDINATIONS)
    world = sampler.world()
    first = sampler.clause(world, timed=sampler.draw.chance(0.4))
    second = sampler.followed(first, world)
    order = second.german_verb_first() if german in INVERTING else second.german_main()
    comma = "" if german == "und" else ","
    return Sentence(
        f"{first.german_main()} {comma} {german} {order}",
        f"{first.english()} {english} {second.english()}",
    )


def sequence(sampler: DependentSampler) -> Sentence:
    """One subject doing two things to one object: ``kauft die Lampe und repariert sie``."""
    draw = sampler.draw
    verbs = [verb for verb in verbs_for("person") if verb.frame == ("acc",) and "n" not in verb.flags]
    first = sampler.clause(
        sampler.world(), subject=sampler.person(), verbs=verbs, depth=0, timed=False, positive=True
    )
    target = first.part("definite", "indefinite")
    thing = target.phrase if target is not None else None
    if thing is None or thing.noun is None or not thing.noun.plural or first.english_tense:
        return sequence(sampler)
    fitting = [verb for verb in verbs if any(tag in verb.objects for tag in thing.tags)]
    others = [verb for verb in fitting if verb.english != first.verb.english]
    if not others:
        return sequence(sampler)
    pronoun = referring_to(thing)
    parts = [Part("pronoun", pronoun.german("acc"), pronoun.english, pronoun)]
    parts += [Part("frequency", "dann", "then")] if draw.chance(0.4) else []
    second = Clause(first.subject, draw.pick(others), first.tense, tuple(parts))
    return Sentence(
        f"{first.german_main()} und {second.german_main(with_subject=False)}",
        f"{first.english()} and {second.english(with_subject=False)}",
    )
