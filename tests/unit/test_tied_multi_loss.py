"""The criterion against Algorithm 1 written as a plain double loop over truncated stock fairseq models."""

from typing import Any, Dict, Tuple

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from tests import tiny

PAD = 1


def naive_losses(model: Any, sample: Dict[str, Any], epsilon: float, **changes: Any) -> Tuple[Dict, Dict]:
    """Every pair's loss, and the gradient of every parameter for each pair, from stock models of that depth."""
    losses, gradients = {}, {}
    for n in range(1, len(model.encoder.layers) + 1):
        for m in range(1, len(model.decoder.layers) + 1):
            stock = tiny.stock_model(model, n, m, **changes)
            logits, _ = stock(**sample["net_input"])
            lprobs = stock.get_normalized_probs((logits, None), log_probs=True)
            loss, nll = label_smoothed_nll_loss(
                lprobs.view(-1, lprobs.size(-1)), sample["target"].view(-1), epsilon, ignore_index=PAD
            )
            loss.backward()
            losses[n, m] = (loss.item(), nll.item())
            gradients[n, m] = {
                name: parameter.grad for name, parameter in stock.named_parameters() if parameter.grad is not None
            }
    return losses, gradients


def criterion(**options: Any) -> TiedMultiCrossEntropyCriterion:
    config = {"label_smoothing": 0.1, "sentence_avg": False, "seed": 1, **options}
    return TiedMultiCrossEntropyCriterion(
        type("Task", (), {"target_dictionary": tiny.dictionary(21)}), TiedMultiCrossEntropyConfig(**config)
    )


def assert_equals_naive(
    model: Any, sample: Dict, weights: Dict, epsilon: float, loss: Any, tolerance: float = 1e-5, **changes: Any
) -> None:
    losses, gradients = naive_losses(model, sample, epsilon, **changes)
    expected = sum(weights.get(pair, 0) * losses[pair][0] for pair in losses)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    checked = 0
    for name, parameter in model.named_parameters():
        total = sum(
            (weights.get(pair, 0) * gradients[pair][name] for pair in losses if name in gradients[pair]),
            torch.zeros_like(parameter),
        )
        assert parameter.grad is not None, name
        scale = total.abs().max().clamp(min=0.02)  # a key bias's true gradient is 0: only rounding is left
        assert torch.allclose(parameter.grad / scale, total / scale, atol=tolerance), name
        checked += 1
    assert checked == len(list(model.parameters()))


BATCHES = {
    "no padding": ([5, 5, 5], [4, 4, 4]),
    "padding": ([6, 2, 4, 1], [1, 7, 3, 5]),
    "one token": ([1], [1]),
}


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("pre_norm", [False, True], ids=["Post-LN", "Pre-LN"])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_loss_and_gradients_equal_algorithm_1(lengths: Tuple, pre_norm: bool, epsilon: float) -> None:
    changes = {"encoder_normalize_before": pre_norm, "decoder_normalize_before": pre_norm}
    model = tiny.flexible_model(**changes)
    sample = tiny.sample(*lengths)
    loss, sample_size, _ = criterion(label_smoothing=epsilon)(model, sample)
    assert sample_size == sample["ntokens"]
    uniform = {pair: 1 / 6 for pair in model.depth_space.pairs}
    assert_equals_naive(model, sample, uniform, epsilon, loss, **changes)


def test_a_word_beside_a_very_long_sentence() -> None:
    model, sample = tiny.flexible_model(), tiny.sample([1, 300], [300, 1])
    loss, _, _ = criterion()(model, sample)
    uniform = {pair: 1 / 6 for pair in model.depth_space.pairs}
    assert_equals_naive(model, sample, uniform, 0.1, loss, tolerance=1e-4)  # sums of so many round more


def test_weights_weigh_the_pairs() -> None:
    model = tiny.flexible_model()
    sample = tiny.sample([6, 2, 4], [1, 7, 3])
    loss, _, _ = criterion(depth_weights="1,0;2,3;0,4")(model, sample)
    weights = {(1, 1): 0.1, (2, 1): 0.2, (2, 2): 0.3, (3, 2): 0.4}
    assert_equals_naive(model, sample, weights, 0.1, loss)


def test_a_space_of_fewer_depths_averages_its_own_pairs_and_gives_other_layers_zero_gradients() -> None:
    model = tiny.flexible_model(encoder_depths="1,2", decoder_depths="1")
    sample = tiny.sample([6, 2, 4], [1, 7, 3])
    loss, _, _ = criterion()(model, sample)
    assert_equals_naive(model, sample, {(1, 1): 0.5, (2, 1): 0.5}, 0.1, loss)
    assert model.decoder.layers[1].fc1.weight.grad.abs().max() == 0


@pytest.mark.parametrize("update", [0, 1, 2, 17])
def test_sampled_depths_average_the_drawn_pairs(update: int) -> None:
    model = tiny.flexible_model()
    model.set_num_updates(update)
    sample = tiny.sample([6, 2, 4], [1, 7, 3])
    loss, _, _ = criterion(sample_encoder_depths=2, sample_decoder_depths=1)(model, sample)
    drawn = model.depth_space.sample(2, 1, 1, update).pairs
    assert len(drawn) == 2
    assert_equals_naive(model, sample, {pair: 0.5 for pair in drawn}, 0.1, loss)


def test_validation_logs_every_pair() -> None:
    model = tiny.flexible_model().eval()
    sample = tiny.sample([6, 2, 4], [1, 7, 3])
    expected, _ = naive_losses(model, sample, 0.1)
    with torch.no_grad():
        _, _, logged = criterion()(model, sample)
    for (n, m), (_, nll) in expected.items():
        assert logged[f"nll_e{n}d{m}"].item() == pytest.approx(nll, rel=1e-5)
    assert logged["nll_loss"].item() == pytest.approx(sum(nll for _, nll in expected.values()) / 6, rel=1e-5)


def test_a_chosen_depth_is_evaluated_alone() -> None:
    model = tiny.flexible_model().eval()
    sample = tiny.sample([6, 2, 4], [1, 7, 3])
    expected, _ = naive_losses(model, sample, 0.1)
    model.set_depth(2, 1)
    loss, _, logged = criterion()(model, sample)
    assert loss.item() == pytest.approx(expected[2, 1][0], rel=1e-5)
    assert [key for key in logged if key.startswith("nll_e")] == ["nll_e2d1"]


def test_a_model_without_depths_is_refused() -> None:
    stock = tiny.stock_model(tiny.flexible_model(), 3, 2)
    with pytest.raises(ValueError, match="expected a model of many depths.*given TransformerModel"):
        criterion().check_model(stock)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"depth_weights": "1,2"}, r"--depth-weights 1,2: expected 3 rows"),
        ({"depth_weights": "1,2;3,4;5"}, r"--depth-weights 1,2;3,4;5: expected 3 rows.*of 2 weights"),
        ({"depth_weights": "1,2;3,4;5,x"}, r"expected numbers"),
        ({"depth_weights": "1,2;3,4;5,-1"}, r"at least 0"),
        ({"depth_weights": "0,0;0,0;0,0"}, r"at least one weight must be above 0"),
        ({"depth_weights": "1,2;3,4;5,0", "sample_encoder_depths": 2}, r"expected weights above 0 where depths are"),
        ({"sample_encoder_depths": 4}, r"--sample-encoder-depths 4: expected 0 \(all\) to 3"),
        ({"sample_encoder_depths": 1, "sandwich_rule": True}, r"depths 1: expected .* --sandwich-rule"),
        ({"sandwich_rule": True}, r"--sandwich-rule: expected --sample-encoder-depths or --sample-decoder-depths"),
        ({"sample_decoder_depths": -1}, r"--sample-decoder-depths -1: expected 0 \(all\) to 2"),
    ],
)
def test_options_that_do_not_fit_the_depths_are_refused(options: Dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        criterion(**options).check_model(tiny.flexible_model())


def test_label_smoothing_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="--label-smoothing 1.5: expected a number from 0 to 1"):
        criterion(label_smoothing=1.5)


def test_accumulation_needs_a_task_that_tells_the_loss_scale() -> None:
    task = tiny.task()
    task.gives_loss_scale = False
    config = TiedMultiCrossEntropyConfig(accumulate_depths=True, sentence_avg=False, label_smoothing=0.1)
    with pytest.raises(ValueError, match="--accumulate-depths: expected --task translation, given a SimpleNamespace"):
        TiedMultiCrossEntropyCriterion(task, config)


def test_accumulation_is_refused_where_training_is_fully_sharded() -> None:
    config = TiedMultiCrossEntropyConfig(accumulate_depths=True, sentence_avg=False, ddp_backend="fully_sharded")
    message = "--accumulate-depths: propagates back within the forward pass, which --ddp-backend fully_sharded does not"
    with pytest.raises(ValueError, match=message):
        TiedMultiCrossEntropyCriterion(tiny.task(), config)
