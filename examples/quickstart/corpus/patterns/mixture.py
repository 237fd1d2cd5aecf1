"""The frequency of each pattern in the corpus."""

from typing import Callable, Tuple

from grammar.sentence import Sentence
from sampling.dependents import DependentSampler

from patterns import infinitives, one_clause, two_clauses

Pattern = Callable[[DependentSampler], Sentence]

PATTERNS: Tuple[Tuple[Pattern, float], ...] = (
    (one_clause.statement, 0.2),
    (one_clause.yes_no_question, 0.03),
    (one_clause.word_question, 0.03),
    (one_clause.which_question, 0.02),
    (one_clause.description, 0.02),
    (one_clause.comparison, 0.03),
    (one_clause.liking, 0.04),
    (one_clause.existence, 0.03),
    (two_clauses.main_first, 0.14),
    (two_clauses.subordinate_first, 0.09),
    (two_clauses.indirect, 0.12),
    (two_clauses.coordination, 0.09),
    (two_clauses.sequence, 0.06),
    (infinitives.control, 0.07),
    (infinitives.judgement, 0.03),
    (infinitives.purpose, 0.06),
)


def draw_sentence(sampler: DependentSampler) -> Sentence:
    """Draw a sentence."""
    return sampler.draw.weighted(PATTERNS)(sampler)
