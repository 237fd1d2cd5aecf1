"""The language model of many depths against truncated stock fairseq models: losses, gradients, decoding."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any, Dict

import pytest
import torch
from fairseq import models
from fairseq.criterions.adaptive_loss import AdaptiveLoss
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.models.transformer_lm import TransformerLanguageModel

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks
from fairseq_flexdepth.modules.losses import chunks
from tests import tiny

WORDS = tiny.dictionary(40)
TASK = SimpleNamespace(source_dictionary=WORDS, target_dictionary=WORDS, gives_loss_scale=True)
TINY: Dict[str, Any] = {
    "decoder_layers": 3,
    "decoder_embed_dim": 16,
    "decoder_input_dim": 16,
    "decoder_output_dim": 16,
    "decoder_ffn_embed_dim": 14,
    "decoder_attention_heads": 2,
    "dropout": 0.0,
    "tokens_per_sample": 16,
    "max_target_positions": 16,
    "add_bos_token": False,
    "tpu": False,
    "ddp_backend": "legacy_ddp",
}
ADAPTIVE: Dict[str, Any] = {"adaptive_softmax_cutoff": "10,20", "adaptive_softmax_factor": 2}
TIED: Dict[str, Any] = {
    **ADAPTIVE,
    "adaptive_input": True,
    "adaptive_input_cutoff": "10,20",
    "adaptive_input_factor": 2,
    "tie_adaptive_weights": True,
    "tie_adaptive_proj": True,
}
SHAPES: Dict[str, Dict[str, Any]] = {
    "full softmax, Post-LN": {},
    "tied softmax, Pre-LN": {"decoder_normalize_before": True, "share_decoder_input_output_embed": True},
    "adaptive softmax, Post-LN": ADAPTIVE,
    "adaptive inputs tied to the softmax, Pre-LN": {**TIED, "decoder_normalize_before": True},
    "another width at the softmax": {**ADAPTIVE, "decoder_output_dim": 8, "layernorm_embedding": True},
}


def options(**changes: Any) -> Namespace:
    args = Namespace(arch="tied_multi_transformer_lm", **{**TINY, **changes})
    ARCH_CONFIG_REGISTRY[args.arch](args)
    return args


def flexible(seed: int = 1, **changes: Any) -> Any:
    torch.manual_seed(seed)
    return models.build_model(options(**changes), TASK)


def stock(like: Any, positions: Any, **changes: Any) -> Any:
    """fairseq's ``transformer_lm`` that consists of these layers of *like*."""
    args = Namespace(_name="transformer_lm", **{**TINY, **changes, "decoder_layers": len(positions)})
    model = models.build_model(args, TASK)
    assert type(model) is TransformerLanguageModel
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tiny.parameter_called(like, tiny.name_in_whole(name, (), positions)))
    return model


def batch(lengths: Any = (6, 3, 5), seed: int = 3) -> Dict[str, Any]:
    """A batch as ``--sample-break-mode eos`` makes it: padding on the right."""
    sentences = tiny.sample([1] * len(lengths), list(lengths), target_size=len(WORDS), seed=seed)
    tokens = sentences["net_input"]["prev_output_tokens"]
    return {**sentences, "net_input": {"src_tokens": tokens, "src_lengths": torch.tensor(lengths)}}


def criterion(**changes: Any) -> TiedMultiCrossEntropyCriterion:
    config = TiedMultiCrossEntropyConfig(sentence_avg=False, seed=1, **changes)
    return TiedMultiCrossEntropyCriterion(TASK, config)


def stock_loss(model: Any, sample: Dict[str, Any], epsilon: float = 0.0) -> torch.Tensor:
    """fairseq's loss: of ``adaptive_loss`` where the model has an adaptive softmax."""
    if model.decoder.adaptive_softmax is not None:
        loss, size, _ = AdaptiveLoss(TASK, sentence_avg=False)(model, sample)
        assert size == sample["ntokens"]
        return loss.sum()
    lprobs = model.get_normalized_probs(model(**sample["net_input"]), log_probs=True)
    target = sample["target"].view(-1)
    return label_smoothed_nll_loss(lprobs.flatten(0, 1), target, epsilon, ignore_index=WORDS.pad())[0]


def assert_is_mean_of_stock(model: Any, subnetworks: Any, changes: Dict[str, Any], **of_criterion: Any) -> None:
    """Check the loss and every gradient of *model* against the mean over stock models of these layers."""
    sample = batch()
    loss, size, _ = criterion(**of_criterion)(model, sample)
    assert size == sample["ntokens"]
    loss.backward()
    sums = {id(parameter): torch.zeros_like(parameter) for parameter in model.parameters()}
    total = 0.0
    for positions in subnetworks:
        twin = stock(model, positions, **changes)
        expected = stock_loss(twin, sample, of_criterion.get("label_smoothing", 0.0)) / len(subnetworks)
        expected.backward()
        total += expected.item()
        for name, parameter in twin.named_parameters():
            own = tiny.parameter_called(model, tiny.name_in_whole(name, (), positions))
            sums[id(own)] += torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    assert loss.item() == pytest.approx(total, rel=1e-5)
    for name, parameter in model.named_parameters():
        scale = sums[id(parameter)].abs().max().clamp(min=0.05)  # a key bias has gradient 0: only rounding is left
        assert torch.allclose(parameter.grad / scale, sums[id(parameter)] / scale, atol=2e-5), name


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("accumulate", [False, True], ids=["", "accumulated"])
def test_loss_and_gradients_are_means_over_stock_models(shape, accumulate):
    model = flexible(**shape)
    assert_is_mean_of_stock(model, [[1], [1, 2], [1, 2, 3]], shape, accumulate_depths=accumulate)


def test_label_smoothing_and_fewer_depths():
    model = flexible(decoder_depths="1,3")
    assert_is_mean_of_stock(model, [[1], [1, 2, 3]], {}, label_smoothing=0.1)


def test_sub_networks_and_shared_layers():
    sharing: Dict[str, Any] = {"layer_sharing": "cycle_rev", "unique_decoder_layers": 2, "decoder_layers": 4}
    model = flexible(**sharing, subnetworks="optimal", decoder_depths="1,2,4")
    assert len(model.decoder.layers) == 4 and "decoder.layers.2.fc1.weight" not in model.state_dict()
    assert_is_mean_of_stock(model, list(assign_subnetworks("optimal", 4, (1, 2, 4)).values()), {})
    other = flexible(2, **sharing, subnetworks="optimal", decoder_depths="1,2,4")
    other.load_state_dict(model.state_dict())
    ours, theirs = (one.eval()(batch()["net_input"]["src_tokens"])[0] for one in (model, other))
    assert torch.equal(ours, theirs)


def test_chunks_of_an_adaptive_softmax_equal_the_whole(monkeypatch):
    losses, gradients = {}, {}
    for elements in (2**25, 24):  # 24: two rows of the head, one row of a tail
        monkeypatch.setattr(chunks, "CHUNK_ELEMENTS", elements)
        model = flexible(**TIED)
        losses[elements] = criterion()(model, batch())[0]
        losses[elements].backward()
        gradients[elements] = tiny.gradients(model)
    assert losses[24].item() == pytest.approx(losses[2**25].item(), rel=1e-6)
    tiny.assert_gradients(model, gradients[2**25])


def test_the_second_word_of_a_band_counts():
    """fairseq's ``adaptive_loss`` takes it for padding, its ``fairseq-eval-lm`` does not."""
    model, sample = flexible(**ADAPTIVE, decoder_depths="3"), batch((3,))
    sample["target"] = sample["net_input"]["src_tokens"] = torch.tensor([[11, 21, 5]])
    lprobs = model.get_normalized_probs(model(**sample["net_input"]), log_probs=True)
    expected = -lprobs.gather(2, sample["target"].unsqueeze(2)).sum().item()
    assert criterion()(model, sample)[0].item() == pytest.approx(expected, rel=1e-5)
    assert stock_loss(model, sample).item() < expected - 1


@pytest.mark.parametrize("words", [[4, 5, 6], [1, 1, 1]], ids=["frequent words only", "no word at all"])
def test_bands_without_a_word_get_zero_gradients(words):
    model, sample = flexible(**ADAPTIVE, adaptive_input=True, adaptive_input_cutoff="10,20"), batch((3,))
    sample["target"] = sample["net_input"]["src_tokens"] = torch.tensor([words])
    loss, _, _ = criterion()(model, sample)
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(not parameter.grad.any() for parameter in model.decoder.adaptive_softmax.tail.parameters())
    assert (loss == 0) == (words == [1, 1, 1])


@pytest.mark.parametrize("shape", ["full softmax, Post-LN", "adaptive inputs tied to the softmax, Pre-LN"])
def test_every_depth_computes_what_a_stock_model_of_that_depth_computes(shape):
    model, sample = flexible(**SHAPES[shape]).eval(), batch()
    logged = criterion()(model, sample)[2]
    for depth in (1, 2, 3):
        twin = stock(model, range(1, depth + 1), **SHAPES[shape]).eval()
        assert model.set_depth(decoder_depth=depth) == (0, depth)
        outputs = [one.get_normalized_probs(one(**sample["net_input"]), log_probs=True) for one in (model, twin)]
        assert torch.allclose(*outputs, atol=1e-6)
        alone = criterion()(model, sample)[2]
        assert logged[f"nll_d{depth}"].item() == pytest.approx(stock_loss(twin, sample).item(), rel=1e-5)
        assert [key for key in alone if key.startswith("nll_d")] == [f"nll_d{depth}"]
        state: Dict[str, Any] = {}
        tokens = sample["net_input"]["src_tokens"][:1]
        with torch.no_grad():
            steps = [model(tokens[:, : end + 1], incremental_state=state)[0] for end in range(6)]
            assert torch.allclose(torch.cat(steps, dim=1), model(tokens)[0], atol=1e-5)
        assert len(state) == depth
    model.set_depth()
    assert model.chosen_depth is None


def test_state_dicts_are_fairseqs():
    model = flexible(**TIED)
    torch.manual_seed(1)
    twin = models.build_model(Namespace(_name="transformer_lm", **{**TINY, **TIED}), TASK)
    state = model.state_dict()
    assert list(state) == list(twin.state_dict())
    for name, parameter in twin.named_parameters():  # the same first values from the same seed
        assert torch.equal(parameter, state[name]), name


@pytest.mark.parametrize("suffix", ["_big", "_wiki103", "_gbw", "_gpt"])
def test_presets_have_fairseqs_sizes(suffix):
    ours, theirs = Namespace(), Namespace()
    ARCH_CONFIG_REGISTRY[f"tied_multi_transformer_lm{suffix}"](ours)
    ARCH_CONFIG_REGISTRY[f"transformer_lm{suffix}"](theirs)
    assert vars(ours) == {**vars(theirs), "layer_sharing": "none"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_layers": 2}, "--encoder-layers 2: a language model has no encoder; leave the option out with"),
        ({"encoder_depths": "all"}, "--encoder-depths all: a language model has no encoder"),
        ({"residual_init": "admin"}, "--residual-init admin: is for translation models"),
        ({"decoder_depths": "1,4"}, "--decoder-depths 1,4: depths must lie between 1 and 3"),
        ({"layer_sharing": "cycle"}, "--unique-decoder-layers: required with --layer-sharing cycle"),
        ({"base_layers": 1}, "--base-layers 1: would count as depths"),
        ({"decoder_attention_heads": 3}, "--decoder-attention-heads 3: expected a divisor of --decoder-embed-dim 16"),
        ({"adaptive_softmax_cutoff": "10,50"}, "--adaptive-softmax-cutoff 10,50: expected numbers of at most 40"),
        ({**TIED, "adaptive_input_cutoff": "50"}, "--adaptive-input-cutoff 50: expected numbers of at most 40"),
    ],
)
def test_mistakes_in_the_models_options(changes, message):
    with pytest.raises(ValueError, match=message):
        flexible(**changes)


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"report_accuracy": True}, ADAPTIVE, "--report-accuracy: .*--adaptive-softmax-cutoff 10,20"),
        ({"label_smoothing": 0.1}, ADAPTIVE, "--label-smoothing 0.1: .*--adaptive-softmax-cutoff 10,20"),
        ({"sample_encoder_depths": 1}, {}, "--sample-encoder-depths 1: a language model has no encoder"),
        ({"sample_decoder_depths": 4}, {}, r"--sample-decoder-depths 4: expected 0 \(all\) to 3"),
        ({"depth_weights": "1,2"}, {}, r"--depth-weights 1,2: expected 3 weights separated by ',' \(decoder depths 1"),
    ],
)
def test_mistakes_in_the_criterions_options(changes, shape, message):
    with pytest.raises(ValueError, match=message):
        criterion(**changes).check_model(flexible(**shape))


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        ((2, None), "--enc-layers 2: a language model has no encoder; give --dec-layers alone"),
        ((None, 4), "--dec-layers 4: this model supports 1,2,3"),
        ((None, 0), "--dec-layers 0: this model supports 1,2,3"),
    ],
)
def test_depths_that_the_model_does_not_have(depth, message):
    with pytest.raises(ValueError, match=message):
        flexible().set_depth(*depth)
