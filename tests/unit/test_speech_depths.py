"""The speech model at every depth, against fairseq's own speech models of those layers."""

from types import SimpleNamespace
from typing import Any, Dict, Tuple

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.depth.supported_depths import DepthPair
from tests import tiny
from tests.unit.test_speech_to_text import FRAMES, LENGTHS, TASK, built, shared, stock_subnetwork

POST_NORM = {"encoder_normalize_before": False, "decoder_normalize_before": False}


def flexible(seed: int = 1, **changes: Any) -> Any:
    return built("tied_multi_s2t_transformer", seed, **changes)


def sample() -> Dict[str, Any]:
    """Three utterances: the frames of two and the words of two are padded."""
    words = tiny.sample([1, 1, 1], [5, 2, 7])
    frames = FRAMES.clone()
    for row, length in enumerate(LENGTHS):
        frames[row, length:] = 0
    return {**words, "net_input": {**words["net_input"], "src_tokens": frames, "src_lengths": LENGTHS}}


def twin(model: Any, pair: DepthPair, **changes: Any) -> Tuple[Any, Tuple[Any, Any]]:
    """fairseq's model of the layers that *model* runs at a depth pair, and the positions of these layers."""
    positions = model.encoder_subnetworks[pair[0]], model.decoder_subnetworks[pair[1]]
    return stock_subnetwork(model, *positions, **changes), positions


def criterion(**options: Any) -> TiedMultiCrossEntropyCriterion:
    config = TiedMultiCrossEntropyConfig(**{"label_smoothing": 0.1, "sentence_avg": False, "seed": 1, **options})
    task: Any = SimpleNamespace(target_dictionary=TASK.target_dictionary, gives_loss_scale=True)
    return TiedMultiCrossEntropyCriterion(task, config)


MODELS: Dict[str, Dict[str, Any]] = {
    "Pre-LN": {},
    "Post-LN": POST_NORM,
    "some depths": {"encoder_depths": "1,3", "decoder_depths": "1"},
    "optimal": {"subnetworks": "optimal", "share_decoder_input_output_embed": True},
    "shared": {
        "subnetworks": "left", "layer_sharing": "cycle", "unique_encoder_layers": 2, "unique_decoder_layers": 1,
        "encoder_depths": "divisors",
    },
}  # fmt: skip
models = pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS.keys())


@models
@pytest.mark.parametrize("accumulate", [False, True], ids=["at once", "accumulated"])
def test_loss_and_gradients_equal_those_of_fairseqs_models(changes, accumulate):
    model, batch = flexible(**changes), sample()
    expected, sums = 0.0, {id(parameter): torch.zeros_like(parameter) for parameter in model.parameters()}
    for pair in model.depth_space.pairs:
        stock, positions = twin(model, pair, **changes)
        lprobs = stock.get_normalized_probs(stock(**batch["net_input"]), log_probs=True).flatten(0, 1)
        loss, _ = label_smoothed_nll_loss(lprobs, batch["target"].view(-1), 0.1, ignore_index=1)
        loss = loss / len(model.depth_space.pairs)
        loss.backward()
        expected += loss.item()
        for name, parameter in stock.named_parameters():
            sums[id(tiny.parameter_called(model, tiny.name_in_whole(name, *positions)))] += parameter.grad
    loss, size, _ = criterion(accumulate_depths=accumulate)(model, batch)
    loss.backward()
    assert size == batch["ntokens"] and loss.item() == pytest.approx(expected, rel=1e-5)
    for name, parameter in model.named_parameters():
        wanted = sums[id(parameter)]
        scale = wanted.abs().max().clamp(min=0.05)  # a key bias has gradient 0: only rounding is left
        assert torch.allclose(parameter.grad / scale, wanted / scale, atol=2e-5), name


@models
@torch.no_grad()
def test_beam_search_equals_that_of_fairseqs_models(changes):
    model, batch = flexible(**changes).eval(), sample()
    for name, parameter in model.named_parameters():  # a model with opinions
        if parameter.dim() > 1:
            parameter.mul_(6 if "embed_tokens" in name or "output_projection" in name else 2)
    found = set()
    for pair in model.depth_space.pairs:
        model.set_depth(*pair)
        ours = tiny.generate([model], batch, beam=3)
        theirs = tiny.generate([twin(model, pair, **changes)[0].eval()], batch, beam=3)
        for mine, other in zip(sum(ours, []), sum(theirs, [])):
            assert torch.equal(mine["tokens"], other["tokens"])
            assert mine["score"].item() == pytest.approx(other["score"].item(), abs=1e-5)
        found.add(str([hypotheses[0]["tokens"].tolist() for hypotheses in ours]))
    assert len(found) > 1  # depth makes a difference


def test_step_by_step_equals_the_full_pass_and_the_output_has_the_encoders_for_a_ctc_loss():
    model, batch = flexible().eval(), sample()
    model.set_depth(3, 1)
    previous = batch["net_input"]["prev_output_tokens"]
    state: Dict[str, Any] = {}
    with torch.no_grad():
        encoder_out = model.encoder(FRAMES, LENGTHS)
        expected, extra = model.decoder(previous, encoder_out)
        words = previous.ne(1)
        assert torch.allclose(tiny.step_by_step(model, previous, encoder_out, state)[words], expected[words], atol=1e-5)
    assert len(state) == 2 and extra["encoder_out"] is encoder_out


@pytest.mark.parametrize("accumulate", [False, True], ids=["at once", "accumulated"])
def test_a_frozen_encoder_gets_no_gradients_and_then_those_of_fairseqs(accumulate):
    model, batch = flexible(encoder_freezing_updates=2, encoder_depths="2"), sample()
    stock, _ = twin(model, (2, 2), encoder_freezing_updates=2)
    for update in (1, 2):
        for one in (model, stock):
            one.set_num_updates(update)
            one.zero_grad(set_to_none=True)
        loss, _, _ = criterion(accumulate_depths=accumulate, label_smoothing=0.0)(model, batch)
        loss.backward()
        for name, parameter in model.encoder.named_parameters():
            # Adam's moments of a parameter begin with its first gradient, also one of zero.
            assert (parameter.grad is None) == (update == 1), name
        assert all(parameter.grad is not None for parameter in model.decoder.parameters())
        model.zero_grad(set_to_none=True)
        model.set_depth(2, 2)
        outputs = [one(**batch["net_input"])[0] for one in (model, stock)]
        for output in outputs:
            output.sin().sum().backward()
        assert torch.allclose(*outputs, atol=1e-6)
        for name, parameter in stock.named_parameters():
            gradient = tiny.parameter_called(model, name).grad
            assert (gradient is None) == (parameter.grad is None), name
            assert gradient is None or torch.allclose(gradient, parameter.grad, atol=1e-4), name
        model.set_depth()


def test_layerdrop_drops_layers_in_training_and_left_subnetworks_decode():
    model, batch = flexible(encoder_layerdrop=0.5, decoder_layerdrop=0.5, subnetworks="left"), sample()
    torch.manual_seed(2)
    model(**batch["net_input"])[0].sum().backward()
    dropped = [float(layer.fc1.weight.grad.abs().max()) == 0 for layer in model.encoder.layers.children()]
    assert 0 < sum(dropped) < 4
    model.eval().set_depth(2, 1)
    with torch.no_grad():
        assert torch.allclose(
            model(**batch["net_input"])[0], twin(model, (2, 1))[0].eval()(**batch["net_input"])[0], atol=1e-6
        )


def test_the_model_of_shared_layers_has_its_full_depth_alone():
    assert shared("cycle").depth_space.pairs == [(4, 2)]
    with pytest.raises(ValueError, match="--enc-layers 2: this model supports 4"):
        shared("cycle").set_depth(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_depths": "5"}, "--encoder-depths 5: .*4"),
        ({"decoder_depths": "0"}, "--decoder-depths 0: "),
        ({"subnetworks": "middle"}, "--subnetworks middle: "),
        ({"encoder_attention_heads": 5}, "--encoder-attention-heads 5: expected a divisor of --encoder-embed-dim 12"),
        ({"decoder_layers": 0}, "--decoder-layers 0: expected 1 or more"),
        ({"unique_encoder_layers": 2}, "--unique-encoder-layers 2: needs --layer-sharing"),
        ({"layer_sharing": "cycle", "unique_encoder_layers": 2}, "--unique-decoder-layers: required with"),
        ({"residual_init": "admin"}, "--residual-init admin: a speech model is Pre-LN"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ValueError, match=message):
        flexible(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_feat_per_channel": 7}, "input_feat_per_channel 7: the checkpoint was trained with 5"),
        ({"encoder_ffn_embed_dim": 20}, "--encoder-ffn-embed-dim 20: the checkpoint was trained with 14"),
        ({"encoder_layers": 3}, "--encoder-layers 3: the checkpoint has 4 encoder layers"),
        ({"decoder_layers": 3}, "--decoder-layers 3: the checkpoint has 2 decoder layers"),
        (POST_NORM, "--encoder-normalize-before: the checkpoint was trained with it"),
        ({"conv_channels": 10}, "the checkpoint's weights do not match this model: .*subsample"),
    ],
)
def test_a_checkpoint_that_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        flexible(**changes).load_state_dict(flexible().state_dict())
