"""Multi-task flexible depth against its Algorithm 1: a loop over stock models built from each sub-network's layers."""

from typing import Any, Dict, List, Sequence, Tuple

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from fairseq_flexdepth.criterions.multi_task_depth_cross_entropy import MultiTaskDepthCrossEntropyCriterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import TiedMultiCrossEntropyConfig
from fairseq_flexdepth.depth.subnetwork_strategies import STRATEGIES, assign_subnetworks
from tests import tiny

PAD, EPSILON = 1, 0.1
DEEP: Dict[str, Any] = {
    "encoder_layers": 6,
    "decoder_layers": 4,
    "encoder_depths": "divisors",
    "decoder_depths": "divisors",
}
SAMPLE = tiny.sample([6, 2, 4], [1, 7, 3])

strategies = pytest.mark.parametrize("strategy", STRATEGIES)
accumulated = pytest.mark.parametrize("accumulate", [False, True], ids=["stacked", "accumulated"])
norms = pytest.mark.parametrize("norm", tiny.NORMS.values(), ids=tiny.NORMS.keys())


def algorithm_1(
    model: Any, strategy: str, pairs: Sequence[Tuple[int, int]], **changes: Any
) -> Tuple[float, Dict[int, torch.Tensor]]:
    """The mean loss over *pairs*, and the mean gradient of every parameter, by its id."""
    encoder = assign_subnetworks(strategy, 6, (1, 2, 3, 6))
    decoder = assign_subnetworks(strategy, 4, (1, 2, 4))
    total, gradients = 0.0, {id(parameter): torch.zeros_like(parameter) for parameter in model.parameters()}
    for n, m in pairs:
        stock = tiny.stock_subnetwork(model, encoder[n], decoder[m], **changes)
        logits, _ = stock(**SAMPLE["net_input"])
        lprobs = stock.get_normalized_probs((logits, None), log_probs=True)
        loss, _ = label_smoothed_nll_loss(
            lprobs.view(-1, lprobs.size(-1)), SAMPLE["target"].view(-1), EPSILON, ignore_index=PAD
        )
        (loss / len(pairs)).backward()
        total += loss.item() / len(pairs)
        for name, parameter in stock.named_parameters():
            if parameter.grad is not None:
                whole = tiny.parameter_called(model, tiny.name_in_whole(name, encoder[n], decoder[m]))
                gradients[id(whole)] += parameter.grad
    return total, gradients


def criterion(**options: Any) -> MultiTaskDepthCrossEntropyCriterion:
    config: Dict[str, Any] = {"label_smoothing": EPSILON, "sentence_avg": False, "seed": 1, **options}
    return MultiTaskDepthCrossEntropyCriterion(tiny.task(), TiedMultiCrossEntropyConfig(**config))


def assert_equal(model: Any, loss: torch.Tensor, expected: float, gradients: Dict[int, torch.Tensor]) -> None:
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    for name, parameter in model.named_parameters():
        wanted = gradients[id(parameter)]
        scale = wanted.abs().max().clamp(min=0.02)  # a key bias's true gradient is 0: only rounding is left
        assert parameter.grad is not None, name
        assert torch.allclose(parameter.grad / scale, wanted / scale, atol=1e-5), name


@strategies
@accumulated
@norms
def test_all_tasks(strategy: str, accumulate: bool, norm: Dict) -> None:
    model = tiny.flexible_model(subnetworks=strategy, **DEEP, **norm)
    expected = algorithm_1(model, strategy, model.depth_space.pairs, **norm)
    loss, _, _ = criterion(accumulate_depths=accumulate)(model, SAMPLE)
    assert len(model.depth_space.pairs) == 12
    assert_equal(model, loss, *expected)


@accumulated
@pytest.mark.parametrize("update", [0, 5])
@pytest.mark.parametrize("strategy", ["left", "optimal"])
def test_drawn_tasks(strategy: str, accumulate: bool, update: int) -> None:
    model = tiny.flexible_model(subnetworks=strategy, **DEEP)
    model.set_num_updates(update)
    pairs = model.depth_space.sample(2, 1, 1, update).pairs
    expected = algorithm_1(model, strategy, pairs)
    options: Dict[str, Any] = {"sample_encoder_depths": 2, "sample_decoder_depths": 1, "accumulate_depths": accumulate}
    loss, _, _ = criterion(**options)(model, SAMPLE)
    assert len(pairs) == 2
    assert_equal(model, loss, *expected)
    zeros = [parameter for parameter in model.parameters() if not parameter.grad.any()]
    assert zeros  # left out by the draw, and yet not without a gradient


@strategies
@accumulated
def test_sub_networks_of_shared_layers(strategy: str, accumulate: bool) -> None:
    sharing: Dict[str, Any] = {"layer_sharing": "cycle_rev", "unique_encoder_layers": 3, "unique_decoder_layers": 2}
    model = tiny.flexible_model(subnetworks=strategy, **DEEP, **sharing)
    expected = algorithm_1(model, strategy, model.depth_space.pairs)
    loss, _, _ = criterion(accumulate_depths=accumulate)(model, SAMPLE)
    assert_equal(model, loss, *expected)


@accumulated
def test_one_side_alone(accumulate: bool) -> None:
    model = tiny.flexible_model(subnetworks="optimal", **dict(DEEP, decoder_depths="4"))
    assert model.depth_space.pairs == [(1, 4), (2, 4), (3, 4), (6, 4)]
    expected = algorithm_1(model, "optimal", model.depth_space.pairs)
    loss, _, _ = criterion(accumulate_depths=accumulate)(model, SAMPLE)
    assert_equal(model, loss, *expected)


def losses_of(model: Any, accumulate: bool, **changes: Any) -> Dict[str, torch.Tensor]:
    arguments = {"target": SAMPLE["target"], "label_smoothing": EPSILON, "accumulate": accumulate, **changes}
    return model(**SAMPLE["net_input"], **arguments)


@pytest.mark.parametrize(
    "changes",
    [{"share_all_embeddings": True}, {"encoder_learned_pos": True, "layernorm_embedding": True}],
    ids=["shared embeddings", "learned embeddings"],
)
def test_accumulated_losses_and_gradients_equal_stacked_ones(changes: Dict) -> None:
    joined = tiny.task(21, 21, changes.get("share_all_embeddings", False))
    weights = [0.5, 0.2, 0.1] + [0.2 / 9] * 9
    model = tiny.flexible_model(subnetworks="optimal", for_task=joined, **DEEP, **changes)
    results = []
    for accumulate in (False, True):
        model.zero_grad()
        losses = losses_of(model, accumulate, pair_weights=weights)
        (3 * losses["loss"]).backward()
        results.append((losses, [parameter.grad.clone() for parameter in model.parameters()]))
    (stacked, gradients), (collected, others) = results
    for key in ("loss", "pair_losses", "pair_nll_losses"):
        assert torch.allclose(stacked[key], collected[key], rtol=1e-5), key
    for one, other in zip(gradients, others):
        assert torch.allclose(one, other, atol=1e-4 * float(one.abs().max()) + 1e-5)


def test_gradients_are_formed_at_the_loss_scale_and_come_out_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.flexible_model(**DEEP)
    expected: List[torch.Tensor] = []
    formed: List[float] = []
    stock_grad = torch.autograd.grad

    def grad(outputs: Any, inputs: Any, gradients: Any, **options: Any) -> Any:
        formed.append(gradients[0].flatten()[0].item())
        return stock_grad(outputs, inputs, gradients, **options)

    monkeypatch.setattr(torch.autograd, "grad", grad)
    for scale in (1.0, 64.0, 0.5):
        formed.clear()
        model.zero_grad()
        model.set_loss_scale(scale)
        (scale * losses_of(model, accumulate=True)["loss"]).backward()
        assert formed[0] == scale
        expected = expected or [parameter.grad.clone() for parameter in model.parameters()]
        for parameter, gradient in zip(model.parameters(), expected):
            assert torch.allclose(parameter.grad, scale * gradient, rtol=1e-4, atol=1e-5)


@accumulated
@pytest.mark.parametrize(
    "options", [{}, {"sample_encoder_depths": 1, "sample_decoder_depths": 1}], ids=["all depths", "sampled"]
)
def test_a_dummy_batch(accumulate: bool, options: Dict) -> None:
    model = tiny.flexible_model(**DEEP)
    loss, _, _ = criterion(accumulate_depths=accumulate, **options)(model, SAMPLE)
    loss *= 0  # in place, as fairseq does where a rank has no batch left
    loss.backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


@accumulated
@pytest.mark.parametrize(
    "changes",
    [{"decoder_layerdrop": 1.0}, {"encoder_layerdrop": 1.0}, {"no_cross_attention": True}],
    ids=["decoder layers dropped", "encoder layers dropped", "no cross-attention"],
)
def test_a_decoder_that_does_not_look_at_the_encoder(accumulate: bool, changes: Dict) -> None:
    model = tiny.flexible_model(**DEEP, **changes)
    losses_of(model, accumulate)["loss"].backward()
    assert model.decoder.embed_tokens.weight.grad.any()


@accumulated
def test_layers_that_layerdrop_drops_get_zero_gradients(accumulate: bool) -> None:
    model = tiny.flexible_model(**DEEP, encoder_layerdrop=1.0).train()
    losses_of(model, accumulate)["loss"].backward()
    assert not any(parameter.grad.any() for parameter in model.encoder.layers.parameters())


def test_a_second_backward_pass_is_refused() -> None:
    loss = losses_of(tiny.flexible_model(**DEEP), accumulate=True)["loss"]
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="accumulated_losses were used up by an earlier backward pass"):
        loss.backward()


def test_reduced_precision() -> None:
    model = tiny.flexible_model(**DEEP).bfloat16()
    losses = losses_of(model, accumulate=True)
    losses["loss"].backward()
    assert losses["loss"].dtype == torch.float32
    for name, parameter in model.named_parameters():
        assert parameter.grad.dtype == torch.bfloat16, name
        assert parameter.grad.isfinite().all(), name


def test_frozen_parameters_get_no_gradient() -> None:
    model = tiny.flexible_model(**DEEP)
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    losses_of(model, accumulate=True)["loss"].backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())


def test_validation_and_evaluation_do_not_accumulate() -> None:
    model = tiny.flexible_model(**DEEP).eval()
    assert torch.equal(losses_of(model, True)["pair_losses"], losses_of(model, False)["pair_losses"])
    with torch.no_grad():
        assert not losses_of(model.train(), True)["loss"].requires_grad


@accumulated
def test_the_criterion_says_whether_it_needs_the_loss_scale(accumulate: bool) -> None:
    assert criterion(accumulate_depths=accumulate).needs_loss_scale == accumulate


def test_activation_checkpointing_is_refused() -> None:
    message = "--accumulate-depths: propagates back within the forward pass, which --checkpoint-activations cannot"
    with pytest.raises(ValueError, match=message):
        criterion(accumulate_depths=True).check_model(tiny.flexible_model(checkpoint_activations=True))


def test_a_model_without_depths_is_refused_by_the_criterions_own_name() -> None:
    stock = tiny.stock_model(tiny.flexible_model(), 3, 2)
    with pytest.raises(ValueError, match="--criterion multi_task_depth_cross_entropy: expected a model of many depths"):
        criterion().check_model(stock)
