"""Laws of the pure parts: whatever is asked for is well formed, or refused with the option's name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_flexdepth.depth import sharing_strategies, subnetwork_strategies
from fairseq_flexdepth.depth.length_rule import parse_length_rule
from fairseq_flexdepth.depth.plan import build_plan
from fairseq_flexdepth.depth.supported_depths import DepthSpace, parse_depths, parse_pairs
from fairseq_flexdepth.depth.teacher_layers import COMBINATIONS, map_layers, skip_mapping
from fairseq_flexdepth.depth.weights import parse_depth_weights

LAW = settings(derandomize=True, deadline=None, database=None, max_examples=50)

LAYERS = st.integers(1, 12)
# Close to what the options take, and anything else.
TEXTS = st.text("0123456789,;:=+-. x", max_size=12) | st.text("12,-²٣é\n\0", max_size=6)


def refused_or(parse, text, *arguments):
    """What *text* is parsed to; ``None`` where it is refused as a user's mistake in --option is."""
    try:
        return parse(text, *arguments, "--option")
    except ValueError as error:
        assert str(error).startswith("--option")
        return None


@LAW
@given(TEXTS, LAYERS)
def test_any_text_is_depths_or_refused(text, layers):
    depths = refused_or(parse_depths, text, layers)
    assert depths is None or (depths and list(depths) == sorted(set(depths)) and 1 <= depths[0] <= depths[-1] <= layers)


@LAW
@given(TEXTS)
def test_any_text_is_pairs_or_refused(text):
    pairs = refused_or(parse_pairs, text)
    assert pairs is None or (pairs and pairs == sorted(set(pairs)))


@LAW
@given(st.lists(st.tuples(LAYERS, LAYERS), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_pairs_come_back_in_order(pairs, shuffler):
    shuffled = shuffler.sample(pairs, len(pairs))
    assert parse_pairs(",".join(f"{n}-{m}" for n, m in shuffled), "--depths") == sorted(set(pairs))


@LAW
@given(TEXTS)
def test_any_text_is_a_length_rule_or_refused(text):
    rule = refused_or(parse_length_rule, text)
    assert rule is None or (rule.limits == sorted(set(rule.limits)) and len(rule.pairs) == len(rule.limits) + 1)


@LAW
@given(st.sets(st.integers(0, 60), max_size=5).map(sorted), st.data())
def test_a_length_rule_chooses_the_first_limit_that_is_not_passed(limits, data):
    pairs = data.draw(st.lists(st.tuples(LAYERS, LAYERS), min_size=len(limits) + 1, max_size=len(limits) + 1))
    steps = [f"{limit}={n}-{m}" for limit, (n, m) in zip(limits, pairs)]
    rule = parse_length_rule(",".join([*steps, f"{pairs[-1][0]}-{pairs[-1][1]}"]), "--depth-selector")
    assert [rule.limits, rule.pairs] == [limits, pairs]
    for length in {0, *limits, *(limit + 1 for limit in limits)}:
        passed = sum(limit < length for limit in limits)
        assert rule.choose(length) == pairs[passed]


@LAW
@given(st.sampled_from(subnetwork_strategies.STRATEGIES), LAYERS, st.data())
def test_every_strategy_gives_each_depth_that_many_layers_and_the_plan_runs_them(strategy, layers, data):
    depths = data.draw(st.sets(st.integers(1, layers), min_size=1))
    assigned = subnetwork_strategies.assign_subnetworks(strategy, layers, sorted(depths, reverse=True))
    assert list(assigned) == sorted(depths)
    for depth, used in assigned.items():
        assert len(used) == depth
        assert list(used) == sorted(set(used)) and 1 <= used[0] <= used[-1] <= layers
    plan = build_plan(list(assigned.values()))
    paths = [tuple(plan.runs[run].position for run in plan.path(end)) for end in plan.exits]
    assert paths == list(assigned.values())


@LAW
@given(st.sampled_from(subnetwork_strategies.STRATEGIES), LAYERS)
def test_the_full_depth_runs_every_layer(strategy, layers):
    assert subnetwork_strategies.assign_subnetworks(strategy, layers, [layers]) == {layers: tuple(range(1, layers + 1))}


@LAW
@given(st.sampled_from(sharing_strategies.STRATEGIES), LAYERS, st.integers(1, 6))
def test_sharing_uses_every_unique_layer_equally_often(strategy, unique, rounds):
    assignment = sharing_strategies.assign_layers(strategy, unique * rounds, unique)
    assert sorted(assignment) == sorted(list(range(1, unique + 1)) * rounds)
    firsts = sharing_strategies.first_positions(assignment)
    for position, (layer, first) in enumerate(zip(assignment, firsts), start=1):
        assert first <= position
        assert assignment[first - 1] == layer
        assert firsts[first - 1] == first
    assert len(set(firsts)) == unique


@LAW
@given(st.sampled_from(sharing_strategies.STRATEGIES), st.integers(-3, 12), st.integers(-3, 14))
def test_sharing_is_refused_where_it_does_not_divide(strategy, layers, unique):
    if layers >= 1 and unique >= 1 and layers % unique == 0:
        assert len(sharing_strategies.assign_layers(strategy, layers, unique)) == layers
    else:
        with pytest.raises(ValueError, match=f"^--unique {unique}: "):
            sharing_strategies.assign_layers(strategy, layers, unique)


@LAW
@given(st.sampled_from(COMBINATIONS), LAYERS, LAYERS)
def test_a_mapping_teaches_every_student_layer_by_neighbours_in_order(combination, teacher, student):
    if student > teacher:
        with pytest.raises(ValueError, match=f"^--ckd-mapping {combination}: the student has {student} layers, more"):
            map_layers(combination, teacher, student)
        return
    mapping = map_layers(combination, teacher, student)
    assert list(mapping) == list(range(1, student + 1))
    for layer, taught_by in mapping.items():
        assert taught_by and list(taught_by) == sorted(set(taught_by))
        assert 1 <= taught_by[0] <= taught_by[-1] <= teacher
        assert skip_mapping(teacher, student)[layer][0] in range(taught_by[0], taught_by[-1] + 2)
    if combination == "rc":
        assert [layer for taught_by in mapping.values() for layer in taught_by] == list(range(1, teacher + 1))


@LAW
@given(TEXTS, LAYERS, LAYERS)
def test_any_text_is_a_mapping_or_refused(text, teacher, student):
    mapping = refused_or(map_layers, text, teacher, student)
    for layer, taught_by in (mapping or {}).items():
        assert 1 <= layer <= student
        assert taught_by and len(set(taught_by)) == len(taught_by)
        assert all(1 <= other <= teacher for other in taught_by)


@LAW
@given(st.text("0123456789,;.-enaif ", max_size=12))
def test_any_text_is_weights_or_refused(text):
    space = DepthSpace((1, 2), (1, 2))
    try:
        weights = parse_depth_weights(text, space)
    except ValueError as error:
        assert str(error).startswith(f"--depth-weights {text}: ")
    else:
        assert list(weights) == space.pairs
        assert min(weights.values()) >= 0
        assert 0 < sum(weights.values()) < float("inf")
