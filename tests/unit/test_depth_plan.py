"""The depth plan, executed on strings: every layer appends its name."""

from typing import List

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fairseq_flexdepth.depth.plan import INPUT, LayerRun, build_plan
from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks

SEQUENCES = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=7), min_size=1, max_size=8)
SUBSETS = st.lists(st.sets(st.integers(1, 8), min_size=1).map(sorted), min_size=1, max_size=8)


def name(position):
    return "-abcdefgh"[position]


def execute(plan):
    outputs: List[str] = []
    for position, parent in plan.runs:
        outputs.append(("" if parent == INPUT else outputs[parent]) + name(position))
    return [outputs[run] for run in plan.exits]


@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(SEQUENCES | SUBSETS)
@example([[1, 1, 1], [1], [1, 1]])  # one layer, run again and again
@example([[1, 3, 5], [2, 4], [1, 3, 4]])
def test_a_plan_runs_every_prefix_once(subnetworks):
    plan = build_plan(subnetworks)
    assert execute(plan) == ["".join(map(name, subnetwork)) for subnetwork in subnetworks]
    prefixes = {tuple(subnetwork[:end]) for subnetwork in subnetworks for end in range(1, len(subnetwork) + 1)}
    assert len(plan.runs) == len(prefixes)
    assert all(parent == INPUT or 0 <= parent < index for index, (_, parent) in enumerate(plan.runs))
    assert plan.positions == sorted(set().union(*subnetworks))


def test_a_branching_plan_node_by_node():
    plan = build_plan([(1, 3), (1, 2, 3), (2,)])
    assert plan.runs == (
        LayerRun(1, INPUT),
        LayerRun(3, 0),
        LayerRun(2, 0),
        LayerRun(3, 2),
        LayerRun(2, INPUT),
    )
    assert plan.exits == (1, 3, 4)


@pytest.mark.parametrize("depths", [(1, 2, 3, 4, 5, 6), (1, 2, 3, 6), (4,)])
def test_the_first_layers_make_a_chain(depths):
    plan = build_plan(list(assign_subnetworks("head", 6, depths).values()))
    assert plan.runs == tuple(LayerRun(position, position - 2) for position in range(1, depths[-1] + 1))
    assert plan.exits == tuple(depth - 1 for depth in depths)


def test_equal_subnetworks_leave_at_one_exit():
    assert build_plan([(1, 2), (1, 2)]).exits == (1, 1)


@pytest.mark.parametrize("subnetworks", [[], [()], [(1, 2), ()]])
def test_a_plan_of_nothing_is_refused(subnetworks):
    with pytest.raises(ValueError, match=r"^sub-networks \[.*\]: expected at least one, each of at least one"):
        build_plan(subnetworks)
