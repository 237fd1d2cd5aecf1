"""Decoding at every depth: step by step, with beam search, with ensembles, with alignments."""

from argparse import Namespace
from typing import Any, Dict

import pytest
import torch
from fairseq.tasks.fairseq_task import FairseqTask

from fairseq_flexdepth.depth.subnetwork_strategies import STRATEGIES
from tests import tiny

PAD = 1
BATCH = tiny.sample([6, 2, 4], [3, 7, 5])
PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]

norms = pytest.mark.parametrize("changes", tiny.NORMS.values(), ids=tiny.NORMS.keys())
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"e{pair[0]}d{pair[1]}")


def sharp_model(seed=1, **changes):
    """A model with opinions: a random one would say the same word at every step and depth."""
    model = tiny.flexible_model(seed=seed, **changes).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(6 if "embed_tokens" in name else 2)
    return model


def encode(model):
    return model.encoder(BATCH["net_input"]["src_tokens"], BATCH["net_input"]["src_lengths"])


@norms
@every_pair
def test_step_by_step_equals_all_at_once(changes, pair):
    model = tiny.flexible_model(**changes).eval()
    model.set_depth(*pair)
    previous = BATCH["net_input"]["prev_output_tokens"]
    state: Dict[str, Any] = {}
    with torch.no_grad():
        expected = model.decoder(previous, encode(model))[0]
    stepped = tiny.step_by_step(model, previous, encode(model), state)
    words = previous.ne(PAD)
    assert torch.allclose(stepped[words], expected[words], atol=1e-5)
    assert len(state) == 2 * pair[1]  # two attentions a layer, and none of a layer that does not run


@every_pair
def test_reordering_moves_the_caches_of_the_layers_that_run(pair):
    model = tiny.flexible_model().eval()
    model.set_depth(*pair)
    previous = BATCH["net_input"]["prev_output_tokens"][:, :3]
    new_order = torch.tensor([2, 0, 0, 1])
    encoder_out = encode(model)
    state: Dict[str, Any] = {}
    tiny.step_by_step(model, previous[:, :2], encoder_out, state)
    model.decoder.reorder_incremental_state_scripting(state, new_order)
    reordered_out = model.encoder.reorder_encoder_out(encoder_out, new_order)
    with torch.no_grad():
        last = model.decoder(previous[new_order], reordered_out, incremental_state=state)[0]
        expected = model.decoder(previous[new_order], reordered_out)[0][:, -1:]
    assert torch.allclose(last, expected, atol=1e-5)


def assert_same_hypotheses(ours, theirs):
    assert len(ours) == len(theirs) == 3
    for our_beam, their_beam in zip(ours, theirs):
        assert len(our_beam) == len(their_beam)
        for our, their in zip(our_beam, their_beam):
            for key in ("tokens", "score", "positional_scores", "attention"):
                assert torch.equal(our[key], their[key]), key


@norms
@pytest.mark.parametrize("beam", [1, 4])
@every_pair
def test_beam_search_equals_that_of_a_model_of_that_depth(changes, beam, pair):
    model = sharp_model(**changes)
    stock = tiny.stock_model(model, *pair, **changes)
    model.set_depth(*pair)
    assert_same_hypotheses(tiny.generate([model], BATCH, beam), tiny.generate([stock], BATCH, beam))


@pytest.mark.parametrize("strategy", STRATEGIES)
@norms
def test_each_of_24_depths_decodes_as_a_model_of_just_its_layers(changes, strategy):
    depths = {"encoder_depths": "divisors", "decoder_depths": "divisors"}
    model = sharp_model(subnetworks=strategy, encoder_layers=12, decoder_layers=6, **depths, **changes)
    assert len(model.depth_space.pairs) == 24
    for n, m in model.depth_space.pairs:
        stock = tiny.stock_subnetwork(model, model.encoder_subnetworks[n], model.decoder_subnetworks[m], **changes)
        assert len(stock.encoder.layers) + len(stock.decoder.layers) == n + m
        model.set_depth(n, m)
        assert_same_hypotheses(tiny.generate([model], BATCH, 2), tiny.generate([stock], BATCH, 2))


def test_another_strategy_can_be_forced():
    model = sharp_model(encoder_layers=6, decoder_layers=4)
    model.use_subnetworks("left")
    model.set_depth(2, 2)
    stock = tiny.stock_subnetwork(model, (1, 4), (1, 3))
    assert_same_hypotheses(tiny.generate([model], BATCH, 2), tiny.generate([stock], BATCH, 2))


@every_pair
def test_an_ensemble_equals_one_of_models_of_that_depth(pair):
    ensemble = [sharp_model(seed) for seed in (1, 2)]
    stock = [tiny.stock_model(model, *pair) for model in ensemble]
    for model in ensemble:
        model.set_depth(*pair)
    assert_same_hypotheses(tiny.generate(ensemble, BATCH, 4), tiny.generate(stock, BATCH, 4))


def test_members_of_an_ensemble_may_run_at_different_depths():
    pairs = [(1, 2), (3, 1)]
    ensemble = [sharp_model(seed) for seed in (1, 2)]
    stock = [tiny.stock_model(model, *pair) for model, pair in zip(ensemble, pairs)]
    for model, pair in zip(ensemble, pairs):
        model.set_depth(*pair)
    assert_same_hypotheses(tiny.generate(ensemble, BATCH, 4), tiny.generate(stock, BATCH, 4))


def test_depths_say_different_things():
    model, said = sharp_model(), set()
    for pair in PAIRS:
        model.set_depth(*pair)
        hypotheses = tiny.generate([model], BATCH, 4)
        said.add(tuple(tuple(beam[0]["tokens"].tolist()) for beam in hypotheses))
    assert len(said) == len(PAIRS)  # else the tests above would prove little


def test_the_longest_sources_are_decoded_at_every_depth():
    model, batch = sharp_model(), tiny.sample([64, 5, 30], [1, 1, 1])
    for pair in PAIRS:
        stock = tiny.stock_model(model, *pair)
        model.set_depth(*pair)
        assert_same_hypotheses(tiny.generate([model], batch, 2), tiny.generate([stock], batch, 2))


@pytest.mark.parametrize("style", ["hard", "soft"])
@every_pair
def test_alignments_are_those_of_the_last_layer_that_runs(style, pair):
    model = sharp_model()
    stock = tiny.stock_model(model, *pair)
    model.set_depth(*pair)
    results = []
    for either in (model, stock):
        options = Namespace(print_alignment=style, beam=2, max_len_b=8)
        generator = FairseqTask.build_generator(tiny.task(), [either], options)
        results.append(generator.generate([either], BATCH))
    assert_same_hypotheses(*results)
    for our_beam, their_beam in zip(*results):
        for our, their in zip(our_beam, their_beam):
            assert len(our["alignment"]) > 0
            assert str(our["alignment"]) == str(their["alignment"])
