"""The findings of the papers: their data, intervals of effects, and the laws of the verdicts."""

from typing import Optional

import numpy
import pytest

from recipes.common.cells import Measurements
from recipes.common.dry_run import RECIPES
from recipes.findings.bootstrap import bleu, sentence_counts
from recipes.findings.effect import Missing, measure
from recipes.findings.finding import Part, all_findings, chosen_findings, read_findings
from recipes.findings.intervals import Estimate, Interval, estimate, interval, needed, student_quantile
from recipes.findings.verdict import CONTRADICTED, HELD, UNDECIDED, combined, judge
from tests.measured import garbled, random_lines, save, scored

CELLS = "{system}/test/sweep:bleu"


# Intervals


def bounds(found: Optional[Interval]) -> Interval:
    assert found is not None
    return found


def test_quantiles_of_student():
    # from a table of Student's distribution
    for freedom, level, value in ((1, 0.95, 12.706), (2, 0.95, 4.303), (10, 0.99, 3.169), (1e4, 0.95, 1.960)):
        assert student_quantile(freedom, level) == pytest.approx(value, abs=2e-3)
    assert 3.182 < student_quantile(2.5, 0.95) < 4.303


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("seed_deviation, sentence_deviation", [(0.5, 0.01), (0.3, 0.3), (0.05, 0.4)])
def test_intervals_cover_the_true_effect(seeds, seed_deviation, sentence_deviation):
    draw = numpy.random.RandomState(1)
    covered = 0
    for _ in range(500):
        effects = 1.0 + draw.normal(0, sentence_deviation) + draw.normal(0, seed_deviation, seeds)
        found = bounds(interval(estimate(effects, sentence_deviation**2, 1000)))
        covered += found.low < 1.0 < found.high
    assert 0.92 < covered / 500 < 0.99


def test_the_needed_data_is_the_least_that_decides():
    found = Estimate(0.4, 3, 0.2, 1000, 0.01)
    seeds, sentences = needed(found, 0.4)
    assert seeds is not None
    assert needed(found._replace(seeds=seeds), 0.4).seeds == seeds > 3
    assert needed(found._replace(seeds=seeds - 1), 0.4).seeds == seeds
    assert sentences is None  # the seeds' part alone is too large
    few_sentences = Estimate(0.4, 3, 0.001, 1000, 0.04)
    assert needed(few_sentences, 0.4).seeds is None  # the sentences' part alone is too large
    assert 1000 < (needed(few_sentences, 0.4).sentences or 0) < 4000


# Verdicts


@pytest.mark.parametrize("claim", ["above", "not below", "equal"])
def test_verdicts_of_clear_effects(claim):
    def verdict(value):
        return judge(Estimate(value, 3, 0.0004, 3000, 0.0004), claim, 0.5).verdict

    held, contradicted = {"above": (0.6, 0.0), "not below": (0.0, -0.6), "equal": (0.0, 0.6)}[claim]
    assert (verdict(held), verdict(contradicted)) == (HELD, CONTRADICTED)
    assert verdict(-0.6) == CONTRADICTED


def test_verdicts_of_unclear_effects():
    wide = Estimate(0.6, 3, 1.0, 1000, 0.1)
    for claim in ("above", "equal", "not below"):
        found = judge(wide, claim, 0.5)
        assert found.verdict == UNDECIDED
        assert found.needed is not None
    # an effect that surely exists, of which it is open whether it matters
    assert judge(Estimate(0.45, 3, 0.01, 1000, 0.01), "above", 0.5).verdict == UNDECIDED
    # one that surely exists and does not matter
    assert judge(Estimate(0.1, 3, 1e-6, 1000, 1e-6), "above", 0.5).verdict == CONTRADICTED
    one_seed = judge(Estimate(9.0, 1, 0.0, 1000, 0.01), "above", 0.5)
    assert (one_seed.verdict, one_seed.interval) == (UNDECIDED, None)
    assert judge(Estimate(9.0, 1, 0.0), "above", 0.5, exact=True).verdict == HELD


def test_the_sign_of_an_effect_changes_nothing_but_the_side():
    for value in (-0.7, -0.3, 0.0, 0.3, 0.7):
        for variance in (1e-4, 0.1):
            found = [judge(Estimate(sign * value, 3, variance), "equal", 0.5) for sign in (1, -1)]
            assert found[0].verdict == found[1].verdict
            assert bounds(found[0].interval).low == -bounds(found[1].interval).high
    # "A above B" contradicts "B above A"
    for value in (-0.7, 0.7):
        verdicts = {judge(Estimate(sign * value, 3, 1e-4), "above", 0.5).verdict for sign in (1, -1)}
        assert verdicts == {HELD, CONTRADICTED}


def test_a_finding_holds_if_all_parts_do_and_fails_if_one_surely_does():
    assert combined([HELD, HELD]) == HELD
    assert combined([HELD, UNDECIDED]) == UNDECIDED
    assert combined([HELD, CONTRADICTED, UNDECIDED]) == CONTRADICTED
    found = Estimate(-0.1, 3, 0.03)
    bound = bounds(interval(found)).high
    # of ten parts one is excluded by chance more often: each needs a wider interval
    assert judge(found, "above", bound + 0.01).verdict == CONTRADICTED
    assert judge(found, "above", bound + 0.01, parts=10).verdict == UNDECIDED


# The bootstrap


@pytest.fixture(scope="module")
def references():
    return random_lines()


def test_bleu_from_counts_is_sacrebleus(references):
    from sacrebleu.metrics import BLEU

    cases = [(garbled(references, 0.3, 1), references), (["a b c d e"], ["a b x d y"]), (["q"], ["a b"]), ([""], ["a"])]
    cases.append((["a b c"], ["a b c"]))
    for translations, expected in cases:
        counts = sentence_counts(translations, expected).sum(axis=0, keepdims=True)
        assert bleu(counts)[0] == pytest.approx(BLEU().corpus_score(translations, [expected]).score)
    with pytest.raises(ValueError, match="translations: expected 1, one per reference; got 2"):
        sentence_counts(["a", "b"], ["a"])


def part_of(claim="above", smallest=2.0, more="good", less="bad", test="bootstrap"):
    return Part(
        "a part", (CELLS.format(system=more),), (CELLS.format(system=less),), "BLEU", 1.0, claim, smallest, test
    )


def effect(part: Part, measurements: Measurements) -> Estimate:
    found = measure(part, measurements, {})
    assert isinstance(found, Estimate)
    return found


def test_known_effects_are_found(tmp_path, references):
    for system, share in (("good", 0.1), ("bad", 0.3), ("twin-of-bad", 0.3)):
        scored(tmp_path, references, system, share)
    measurements = Measurements(tmp_path)
    large, none = (effect(part_of(more=name), measurements) for name in ("good", "twin-of-bad"))
    assert judge(large, "above", 2.0).verdict == HELD
    assert judge(none, "above", 2.0).verdict in (UNDECIDED, CONTRADICTED)
    assert judge(none, "equal", 15.0).verdict == HELD
    assert (large.seeds, large.sentences) == (3, 300)
    value = measurements.value(f"{CELLS.format(system='good')} - {CELLS.format(system='bad')}", {})
    assert large.value == pytest.approx(value, abs=0.02)
    opposite = effect(part_of(more="bad", less="good"), measurements)
    assert (opposite.value, opposite.sentence_variance) == pytest.approx((-large.value, large.sentence_variance))


def test_without_translations_or_with_other_seeds_nothing_is_measured(tmp_path, references):
    scored(tmp_path, references, "good", 0.1, seeds=(1, 2))
    scored(tmp_path, references, "bad", 0.3, seeds=(2, 3))
    assert effect(part_of(), Measurements(tmp_path)).seeds == 1  # the only common one
    (tmp_path / "good/seed2/test/e3d3.txt").unlink()
    found = measure(part_of(), Measurements(tmp_path), {})
    assert isinstance(found, Missing)
    assert "was not measured" in found.reason
    assert effect(part_of(test="seeds"), Measurements(tmp_path)).seeds == 1


# The findings' data


def test_all_findings_name_recipes_that_exist_and_cells_that_can_be_read(tmp_path):
    findings = all_findings()
    assert len(findings) == 25
    for finding in findings:
        assert all((RECIPES / f"{name}.sh").is_file() for name in finding.recipes), finding.id
        for part in finding.parts:
            assert isinstance(measure(part, Measurements(tmp_path), {"data": finding.data}), Missing)
    assert [one.id for one in chosen_findings(["kim2016", "wu2020/3"])][-2:] == ["kim2016/5", "wu2020/3"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"id": "p/2"}, "p.json: id p/2: expected p/1"),
        ({"effect": 1}, "p.json: p/1: unknown field effect; expected changed, data, id"),
        ({"parts": []}, "p.json: p/1: parts: expected at least one"),
        ({"claim": "better"}, "p.json: p/1: claim 'better': expected one of 'above', 'equal', 'not below'"),
        ({"test": "t"}, "p.json: p/1: test 't': expected one of 'bootstrap', 'seeds', 'exact'"),
        ({"smallest": 0}, "p.json: p/1: smallest 0: expected a number above 0"),
    ],
)
def test_mistakes_in_findings(tmp_path, change, message):
    part = {"name": "n", "more": ["a/b:bleu"], "less": [], "unit": "BLEU", "paper": 1, "claim": "above"}
    part.update({"smallest": 1, "test": "seeds"})
    finding = {"id": "p/1", "section": "1", "statement": "s", "recipes": [], "data": "d", "parts": [part]}
    (part if set(change) & set(part) else finding).update(change)
    save(tmp_path / "p.json", [finding])
    with pytest.raises(ValueError, match=message):
        read_findings(tmp_path / "p.json")
