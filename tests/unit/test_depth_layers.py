"""``DepthLayers``: what a loop over the stack sees, and whole plans run layer by layer."""

from typing import Counter, List

import pytest
import torch
from fairseq.modules import LayerDropModuleList
from torch import nn

from fairseq_flexdepth.depth.plan import build_plan
from fairseq_flexdepth.modules.depth_layers import DepthLayers


def stack(depth=4, layerdrop=0.0):
    torch.manual_seed(1)
    return DepthLayers([nn.Linear(3, 3) for _ in range(depth)], layerdrop)


def positions(layers):
    """The layers that a loop over the stack sees, by position."""
    position_of = {id(layers[index]): index + 1 for index in range(len(layers))}
    return [position_of[id(layer)] for layer in layers]


def test_names_are_those_of_a_plain_list():
    plain = nn.ModuleList([nn.Linear(3, 3) for _ in range(4)])
    layers = stack()
    assert list(layers.state_dict()) == list(plain.state_dict())
    layers.load_state_dict(plain.state_dict(), strict=True)
    plain.load_state_dict(layers.state_dict(), strict=True)


def test_a_loop_sees_the_active_layers():
    layers = stack()
    assert positions(layers) == [1, 2, 3, 4]
    layers.active = (1, 3)
    assert positions(layers) == [1, 3]
    assert len(layers) == 4
    assert len(list(layers.parameters())) == 8


def test_a_loop_sees_the_stand_in_alone_within_its_context():
    layers = stack()
    layers.active = (1, 3)
    with pytest.raises(KeyError, match="within"):  # noqa: SIM117
        with layers.replaced_by(print):
            assert list(layers) == [print]
            raise KeyError("within")
    assert positions(layers) == [1, 3]


@pytest.mark.parametrize("active", [(1, 2, 3, 4), (2, 4)])
def test_layer_drop_skips_some_active_layers_in_training_and_none_afterwards(active):
    layers = stack(layerdrop=0.5)
    layers.active = active
    seen = [positions(layers) for _ in range(400)]
    assert set(sum(seen, [])) == set(active)
    assert {len(positions_seen) for positions_seen in seen} == set(range(len(active) + 1))
    for position in active:
        assert sum(position in positions_seen for positions_seen in seen) == pytest.approx(200, abs=40)
    layers.eval()
    assert [positions(layers) for _ in range(10)] == [list(active)] * 10


def test_layer_drop_draws_as_fairseq_does():
    layers = stack(layerdrop=0.5)
    stock = LayerDropModuleList(0.5, layers.children())
    for seed in range(20):
        torch.manual_seed(seed)
        expected = list(stock)
        torch.manual_seed(seed)
        assert list(layers) == expected


@pytest.mark.parametrize("training", [True, False])
def test_without_layer_drop_nothing_is_drawn(training):
    layers = stack().train(training)
    before = torch.get_rng_state()
    list(layers)
    layers.run_plan(build_plan([(1, 2)]), torch.ones(1, 1, 3), lambda layer, x: layer(x))
    assert torch.equal(torch.get_rng_state(), before)


PLANS = {
    "chain": [(1,), (1, 2), (1, 2, 3, 4)],
    "deepest alone": [(1, 2, 3, 4)],
    "branches": [(1, 3), (1, 2, 4), (2, 3), (1, 3, 4), (4,)],
    "any order, layers again": [(4, 2), (4, 4, 1), (2,)],
}


@pytest.mark.parametrize("subnetworks", PLANS.values(), ids=PLANS.keys())
def test_a_plan_equals_separate_runs_and_runs_every_node_once(subnetworks):
    layers = stack()
    plan = build_plan(subnetworks)
    calls: Counter[int] = Counter()

    def run_layer(layer, x):
        calls[id(layer)] += 1
        return torch.tanh(layer(x))

    x = torch.randn(5, 2, 3)
    separate = []
    for subnetwork in subnetworks:
        output = x
        for position in subnetwork:
            output = torch.tanh(layers[position - 1](output))
        separate.append(output)
    assert torch.equal(layers.run_plan(plan, x, run_layer), torch.cat(separate, dim=1))
    nodes = Counter(run.position for run in plan.runs)
    assert calls == {id(layers[position - 1]): count for position, count in nodes.items()}


def test_a_plan_runs_whatever_layers_are_active():
    layers = stack()
    layers.active = (1,)
    plan, x = build_plan([(1, 2)]), torch.randn(5, 2, 3)
    assert torch.equal(layers.run_plan(plan, x, lambda layer, x: layer(x)), layers[1](layers[0](x)))


def test_a_dropped_layer_hands_its_input_on():
    layers = stack(layerdrop=1.0)
    plan, x = build_plan([(1,), (1, 2)]), torch.randn(5, 2, 3)
    assert torch.equal(layers.run_plan(plan, x, lambda layer, x: layer(x)), torch.cat([x, x], dim=1))
    layers.eval()
    assert torch.equal(layers.run_plan(plan, x, lambda layer, x: layer(x))[:, 2:], layers[1](layers[0](x)))


def test_a_layer_is_dropped_from_all_depths_of_an_update_or_from_none():
    layers, x = stack(layerdrop=0.5), torch.randn(5, 2, 3)
    seen = set()
    for _ in range(100):
        calls: List[nn.Module] = []
        layers.run_plan(build_plan([(1, 2), (2,)]), x, lambda layer, x, calls=calls: calls.append(layer) or x)
        seen.add((calls.count(layers[0]), calls.count(layers[1])))
    assert seen == {(0, 0), (1, 0), (0, 2), (1, 2)}


def unused(layers, subnetworks):
    layers.run_plan(build_plan(subnetworks), torch.ones(1, 1, 3), lambda layer, x: layer(x))
    position_of = {id(parameter): index + 1 for index in range(len(layers)) for parameter in layers[index].parameters()}
    return [position_of[id(parameter)] for parameter in layers.unused_parameters()]


def test_parameters_that_a_plan_does_not_use():
    layers = stack()
    assert unused(layers, [(1, 2, 3, 4)]) == []
    assert unused(layers, [(1,), (1, 3)]) == [2, 2, 4, 4]


def test_parameters_that_layer_drop_does_not_use():
    layers = stack(layerdrop=1.0)
    assert unused(layers, [(1,), (1, 3)]) == [1, 1, 2, 2, 3, 3, 4, 4]
    layers.eval()
    assert unused(layers, [(1,), (1, 3)]) == [2, 2, 4, 4]
