"""Our model is fairseq's ``transformer``: at full depth, and at every depth that of a smaller one."""

import pytest
import torch

from fairseq_flexdepth.depth.supported_depths import DepthSpace
from tests import tiny

BATCH = tiny.sample([6, 2, 4], [3, 7, 5])
PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]

norms = pytest.mark.parametrize("changes", tiny.NORMS.values(), ids=tiny.NORMS.keys())


def logits(model, batch=BATCH, seed=5):
    torch.manual_seed(seed)  # the same dropout
    return model(**batch["net_input"])[0]


@norms
def test_parameters_and_buffers_are_named_and_ordered_as_fairseqs(changes):
    model = tiny.flexible_model(**changes)
    stock = tiny.stock_model(model, 3, 2, **changes)
    assert list(model.state_dict()) == list(stock.state_dict())


def test_every_parameter_is_counted_once():
    model = tiny.flexible_model()
    width, inner = 12, 14
    attention = 4 * (width * width + width)
    feed_forward = 2 * width * inner + inner + width
    layer_norm = 2 * width
    encoder = 17 * width + 3 * (attention + feed_forward + 2 * layer_norm)
    decoder = 2 * 21 * width + 2 * (2 * attention + feed_forward + 3 * layer_norm)
    assert sum(parameter.numel() for parameter in model.parameters()) == encoder + decoder


@norms
def test_in_training_it_equals_fairseqs_bit_for_bit(changes):
    changes = {
        **changes,
        "dropout": 0.3,
        "attention_dropout": 0.2,
        "activation_dropout": 0.1,
        "encoder_layerdrop": 0.3,
        "decoder_layerdrop": 0.3,
    }
    model = tiny.flexible_model(**changes)
    stock = tiny.stock_model(model, 3, 2, **changes).train()
    outputs = [logits(model, seed=seed) for seed in range(8)]
    for seed, output in enumerate(outputs):
        assert torch.equal(output, logits(stock, seed=seed))
    assert not torch.equal(outputs[0], outputs[1])


@norms
@pytest.mark.parametrize("pair", PAIRS)
def test_at_every_depth_it_equals_a_model_of_that_depth_bit_for_bit(changes, pair):
    model = tiny.flexible_model(**changes).eval()
    stock = tiny.stock_model(model, *pair, **changes).eval()
    model.set_depth(*pair)
    assert torch.equal(logits(model), logits(stock))


def test_dropout_at_a_chosen_depth_is_that_of_a_model_of_that_depth():
    model = tiny.flexible_model(dropout=0.3)
    stock = tiny.stock_model(model, 2, 1, dropout=0.3).train()
    model.set_depth(2, 1)
    assert torch.equal(logits(model), logits(stock))


@pytest.mark.parametrize("pair", [(1, 2), (3, 1)])
def test_hidden_states_are_those_of_the_layers_that_ran(pair):
    model = tiny.flexible_model().eval()
    stock = tiny.stock_model(model, *pair).eval()
    model.set_depth(*pair)
    net_input = BATCH["net_input"]
    for depth, side in zip(pair, ("encoder_states", "inner_states")):
        states = []
        for either in (model, stock):
            out = either.encoder(net_input["src_tokens"], net_input["src_lengths"], return_all_hiddens=True)
            if side == "inner_states":
                out = either.decoder(net_input["prev_output_tokens"], out)[1]
            states.append(out[side])
        assert len(states[0]) == len(states[1]) == depth + 1
        for ours, theirs in zip(*states):
            assert torch.equal(ours, theirs)


def test_no_chosen_depth_is_the_deepest():
    model = tiny.flexible_model().eval()
    full = logits(model)
    assert model.chosen_depth is None
    assert model.set_depth(1, 1) == (1, 1)
    assert model.chosen_depth == (1, 1)
    assert not torch.equal(logits(model), full)
    assert model.set_depth() == (3, 2)
    assert model.chosen_depth is None
    assert torch.equal(logits(model), full)


def test_a_depth_left_out_is_the_deepest():
    model = tiny.flexible_model()
    assert model.set_depth(2) == model.chosen_depth == (2, 2)
    assert model.set_depth(decoder_depth=1) == model.chosen_depth == (3, 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((0, None), "^--enc-layers 0: this model supports 1,2,3$"),
        ((-1, 1), "^--enc-layers -1: this model supports 1,2,3$"),
        ((4, 1), "^--enc-layers 4: this model supports 1,2,3$"),
        ((1, 0), "^--dec-layers 0: this model supports 1,2$"),
        ((1, 3), "^--dec-layers 3: this model supports 1,2$"),
    ],
)
def test_depths_the_model_does_not_support_are_refused_and_change_nothing(asked, message):
    model = tiny.flexible_model()
    model.set_depth(2, 1)
    with pytest.raises(ValueError, match=message):
        model.set_depth(*asked)
    assert model.chosen_depth == (2, 1)
    assert (model.encoder.layers.active, model.decoder.layers.active) == ((1, 2), (1,))


def test_the_options_name_the_depth_space():
    model = tiny.flexible_model(encoder_layers=6, decoder_layers=4, encoder_depths="divisors", decoder_depths="3,1")
    assert model.depth_space == DepthSpace((1, 2, 3, 6), (1, 3))
    with pytest.raises(ValueError, match="^--enc-layers 4: this model supports 1,2,3,6$"):
        model.set_depth(4, 1)
    stock = tiny.stock_model(model, 6, 3).eval()  # the deepest of the space, not of the stack
    assert torch.equal(logits(model.eval()), logits(stock))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_depths": "1,4"}, "^--encoder-depths 1,4: depths must lie between 1 and 3, the number of layers$"),
        ({"decoder_depths": "half"}, "^--decoder-depths half: expected all, divisors or depths"),
        ({"base_layers": 1}, "^--base-layers 1: would count as depths of the decoder; leave the option out$"),
        ({"adaptive_softmax_cutoff": "5,10"}, r"^--adaptive-softmax-cutoff .*5, ?10.*: .* needs the full softmax"),
    ],
)
def test_options_that_make_no_model_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny.flexible_model(**changes)


def test_shared_embeddings_are_one_parameter():
    changes = {"share_all_embeddings": True}
    model = tiny.flexible_model(for_task=tiny.task(21, joined=True), **changes)
    shared = model.encoder.embed_tokens.weight
    assert shared is model.decoder.embed_tokens.weight is model.decoder.output_projection.weight
    assert [name for name, parameter in model.named_parameters() if parameter.size(0) == 21] == [
        "encoder.embed_tokens.weight"
    ]
    stock = tiny.stock_model(model, 3, 2, **changes).eval()
    assert torch.equal(logits(model.eval()), logits(stock))


def test_after_a_training_step_the_chosen_depth_runs_again():
    model = tiny.flexible_model().eval()
    model.set_depth(2, 1)
    before = logits(model)
    losses = model(**BATCH["net_input"], target=BATCH["target"])
    assert losses["pair_losses"].shape == losses["pair_nll_losses"].shape == (6,)
    assert model.chosen_depth == (2, 1)
    assert torch.equal(logits(model), before)


def test_a_failed_training_step_leaves_the_model_usable():
    model = tiny.flexible_model().eval()
    before = logits(model)
    too_long = {**BATCH["net_input"], "prev_output_tokens": torch.full((3, 80), 50)}
    with pytest.raises(IndexError, match="index out of range"):
        model(**too_long, target=BATCH["target"])
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_longest_sources_and_targets_run_at_every_depth(learned, pair):
    changes = {"encoder_learned_pos": learned, "decoder_learned_pos": learned}
    batch = tiny.sample([64, 9], [64, 3])
    model = tiny.flexible_model(**changes).eval()
    assert model.max_positions() == (64, 64)
    losses = model(**batch["net_input"], target=batch["target"])
    assert torch.isfinite(losses["pair_losses"]).all()
    stock = tiny.stock_model(model, *pair, **changes).eval()
    model.set_depth(*pair)
    assert torch.equal(logits(model, batch), logits(stock, batch))


def test_a_batch_without_targets_has_a_loss_of_0():
    model = tiny.flexible_model()
    loss = model(**BATCH["net_input"], target=torch.full_like(BATCH["target"], 1))["loss"]
    loss.backward()
    assert loss == 0
    assert all(parameter.grad.abs().max() == 0 for parameter in model.parameters())


@norms
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_to_single(changes, dtype):
    try:
        torch.ones(2, 2, dtype=dtype) @ torch.ones(2, 2, dtype=dtype)
    except RuntimeError:
        pytest.skip(f"no product of {dtype} on this torch's CPU")
    results = []
    for precision in (torch.float32, dtype):
        model = tiny.flexible_model(**changes).to(precision)
        result = model(**BATCH["net_input"], target=BATCH["target"], label_smoothing=0.1)
        result["loss"].backward()
        gradient = torch.cat([parameter.grad.float().view(-1) for parameter in model.parameters()])
        results.append((result["loss"], result["pair_losses"], result["pair_nll_losses"], gradient))
    for half, single in zip(results[1][:3], results[0]):
        assert half.dtype == torch.float32
        assert torch.allclose(half, single, rtol=0.01)
    assert (results[1][3] - results[0][3]).norm() < 0.05 * results[0][3].norm()
