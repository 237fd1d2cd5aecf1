"""Sentences with a zu-infinitive, its subject understood from the main clause."""

from dataclasses import replace

from grammar.clauses import Clause, Part
from grammar.sentence import Sentence
from lexicon.clause_words import JUDGEMENTS, OBJECT_CONTROL_VERBS, PURPOSES, SUBJECT_CONTROL_VERBS
from lexicon.verbs import SEIN, verbs_for
from sampling.dependents import IT, DependentSampler


def control(sampler: DependentSampler) -> Sentence:
    """``versucht, ... zu ...``; ``bittet ihn, ... zu ...``."""
    by_subject = sampler.draw.chance(0.6)
    verb = sampler.draw.pick(SUBJECT_CONTROL_VERBS if by_subject else OBJECT_CONTROL_VERBS)
    main = sampler.clause(sampler.world(), subject=sampler.person(), verbs=[verb], depth=0, timed=False)
    target = main.part("pronoun", "pronoun_dative", "definite", "indefinite", "dative")
    controller = target.phrase if target is not None and target.phrase is not None else main.subject
    action = sampler.action(controller)
    form = "-ing" if verb.infinitive == "aufhören" else "to"
    return Sentence(
        f"{main.german_main()} , {action.german_infinitive()}",
        f"{main.english()} {action.english_nonfinite(form)}",
    )


def judgement(sampler: DependentSampler) -> Sentence:
    """``Für Anna ist es wichtig, ... zu ...``."""
    german, english = sampler.draw.pick(JUDGEMENTS)
    person = sampler.person(pronouns=False)
    whom = Part("goal", f"für {person.german('acc')}", f"for {person.english}")
    tense = "present" if sampler.world() == "now" else "preterite"
    front = "goal" if sampler.draw.chance(0.6) else "subject"
    clause = Clause(IT, SEIN, tense, (Part("predicate", german, english), whom), front=front)
    action = sampler.action(person)
    return Sentence(
        f"{clause.german_main()} , {action.german_infinitive()}",
        f"{clause.english()} {action.english_nonfinite('to')}",
    )


def purpose(sampler: DependentSampler) -> Sentence:
    """``um ... zu``, ``ohne ... zu`` or ``statt ... zu``, after or before the main clause."""
    german, english, form = sampler.draw.pick(PURPOSES)
    deliberate = [verb for verb in verbs_for("person") if "n" not in verb.flags]
    timed = sampler.draw.chance(0.3)
    main = sampler.clause(
        sampler.world(), subject=sampler.person(), verbs=deliberate, depth=0, timed=timed, positive=True
    )
    action = sampler.action(main.subject)
    german_words = action.german_infinitive(lead=german)
    english_words = action.english_nonfinite(form)
    english_words = english_words if form == "to" else f"{english} {english_words}"
    if sampler.draw.chance(0.3):
        plain = tuple(part for part in main.parts if part.slot != "sentence")
        main = replace(main, front="subject", parts=plain)
        return Sentence(f"{german_words} , {main.german_verb_first()}", f"{english_words} , {main.english()}")
    return Sentence(f"{main.german_main()} , {german_words}", f"{main.english()} {english_words}")
