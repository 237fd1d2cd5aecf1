"""Admin's residual scales: their formula, their profiling pass, and that nothing else changes."""

import math
from typing import Any, Dict, List

import pytest
import torch

from fairseq_flexdepth.modules.admin import SCALE_SUFFIX, ResidualProfile
from tests import tiny

BATCH = tiny.sample([6, 2, 4], [3, 7, 5])
NET_INPUT = BATCH["net_input"]


def admin_model(**changes: Any) -> Any:
    return tiny.flexible_model(residual_init="admin", **changes)


def scales(model: Any) -> Dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if name.endswith(SCALE_SUFFIX)}


def test_the_profile_by_hand():
    def steps(*values: float) -> torch.Tensor:  # length 2, batch 2, channels 1; the last position is padding
        return torch.tensor([[values[0], values[1]], [values[2], 99.0]]).unsqueeze(-1)

    profile = ResidualProfile(torch.tensor([[False, False], [False, True]]))
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(3)]
    profile.observe(parameters[0], steps(1, 2, 3), residual=steps(0, 3, 6))  # variances 2/3 and 6
    profile.observe(parameters[1], steps(0, 0, 3), residual=steps(7, 7, 7))  # 2
    profile.observe(parameters[2], steps(1, 1, 1), residual=steps(8, 9, 9))
    assert profile.scales == parameters
    expected = [1.0, math.sqrt(6 + 2 / 3), math.sqrt(6 + 2 / 3 + 2)]
    assert profile.values.tolist() == pytest.approx(expected)


def stock_scales(model: Any) -> List[float]:
    """ω of every sub-layer of a stock Post-LN model of the same weights, from hooks on its attentions and fc2."""
    stock = tiny.flexible_model(seed=4)
    state = {key: value for key, value in model.state_dict().items() if not key.endswith(SCALE_SUFFIX)}
    stock.load_state_dict(state, strict=True)
    outputs: List[torch.Tensor] = []
    inputs: List[torch.Tensor] = []

    def note(module: Any, arguments: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    for stack in (stock.encoder, stock.decoder):
        stack.layers[0].register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0]))
        for layer in stack.layers:
            for part in ("self_attn", "encoder_attn", "fc2"):
                if hasattr(layer, part):
                    getattr(layer, part).register_forward_hook(note)
    with torch.no_grad():
        stock.eval()(**NET_INPUT)
    expected: List[float] = []
    sublayers = [2 * len(stock.encoder.layers), 3 * len(stock.decoder.layers)]
    for words, count, x in zip(("src_tokens", "prev_output_tokens"), sublayers, inputs):
        content = NET_INPUT[words].ne(1).t()
        total = x[content].var(unbiased=False).item()
        expected.append(1.0)
        for output in outputs[: count - 1]:
            total += output[content].var(unbiased=False).item()
            expected.append(math.sqrt(total))
        del outputs[:count]
    return expected


def test_scales_equal_the_formula_on_a_stock_model():
    model = admin_model(dropout=0.3)
    expected = stock_scales(model)
    model.profile_residuals(NET_INPUT)
    assert len(expected) == len(scales(model)) == 3 * 2 + 2 * 3
    in_running_order = [
        scales(model)[f"{side}.layers.{index}.{part}_{SCALE_SUFFIX}"]
        for side, layers, parts in (
            ("encoder", 3, ("self_attn", "final")),
            ("decoder", 2, ("self_attn", "encoder_attn", "final")),
        )
        for index in range(layers)
        for part in parts
    ]
    for value, wanted in zip(in_running_order, expected):
        assert value.tolist() == pytest.approx([wanted] * 12, rel=1e-5)
    assert expected == sorted(expected[:6]) + sorted(expected[6:])  # each sub-layer adds its variance


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "activation checkpointing"])
def test_a_sublayer_scales_its_residual(checkpointing):
    plain, scaled = tiny.flexible_model(), admin_model(checkpoint_activations=checkpointing)
    state = plain.state_dict()
    scaled.load_state_dict({**state, **scales(scaled)}, strict=True)
    x = torch.randn(4, 2, 12)
    ones = scaled.encoder.layers[0](x, None)
    assert torch.allclose(ones, plain.encoder.layers[0](x, None), atol=1e-6)
    layer = scaled.encoder.layers[0]
    with torch.no_grad():
        layer.self_attn_residual_scale.copy_(torch.arange(12.0))
        layer.final_residual_scale.fill_(3)
    inner = layer.self_attn_layer_norm(layer.self_attn(x, x, x)[0] + torch.arange(12.0) * x)
    expected = layer.final_layer_norm(layer.fc2(layer.fc1(inner).relu()) + 3 * inner)
    assert torch.allclose(layer(x, None), expected, atol=1e-6)


@pytest.mark.parametrize("encoder_out", [torch.randn(5, 2, 12), None], ids=["cross-attention", "none"])
def test_a_decoder_layer_gives_each_sublayer_its_own_scale(encoder_out):
    layer = admin_model().decoder.layers[0].eval()
    with torch.no_grad():
        for factor, part in ((2, "self_attn"), (3, "encoder_attn"), (5, "final")):
            getattr(layer, f"{part}_residual_scale").fill_(factor)
    x = torch.randn(4, 2, 12)
    inner = layer.self_attn_layer_norm(layer.self_attn(x, x, x)[0] + 2 * x)
    if encoder_out is not None:
        attended = layer.encoder_attn(inner, encoder_out, encoder_out, static_kv=True)[0]
        inner = layer.encoder_attn_layer_norm(attended + 3 * inner)
    expected = layer.final_layer_norm(layer.fc2(layer.fc1(inner).relu()) + 5 * inner)
    assert torch.allclose(layer(x, encoder_out)[0], expected, atol=1e-6)


def test_profiling_changes_the_scales_alone():
    model = admin_model(dropout=0.3, encoder_layers=4, encoder_depths="2,4")
    model.set_depth(2, 1)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    assert not model.residuals_profiled
    state = torch.get_rng_state()
    model.train().profile_residuals(NET_INPUT)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert model.residuals_profiled
    assert (model.encoder.layers.active, model.decoder.layers.active) == ((1, 2), (1,))
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) == (not name.endswith(SCALE_SUFFIX) or value[0].item() == 1), name
        assert value.grad is None
    deepest = scales(model)["encoder.layers.3.final_residual_scale"]
    assert deepest[0].item() > 1  # positions above the chosen depth are profiled too


def test_shared_layers_have_scales_of_their_own():
    model = admin_model(layer_sharing="cycle", unique_encoder_layers=1, unique_decoder_layers=1)
    model.profile_residuals(NET_INPUT)
    assert len(scales(model)) == 3 * 2 + 2 * 3
    assert model.encoder.layers[0].fc1.weight is model.encoder.layers[2].fc1.weight
    values = [layer.final_residual_scale[0].item() for layer in model.encoder.layers]
    assert values[0] < values[1] < values[2]
    assert sum(key.endswith(SCALE_SUFFIX) for key in model.state_dict()) == 12


def test_scales_are_trained():
    model = admin_model()
    model.profile_residuals(NET_INPUT)
    model.train()(**NET_INPUT, target=BATCH["target"])["loss"].backward()
    for name, parameter in model.named_parameters():
        if name.endswith(SCALE_SUFFIX):
            assert parameter.grad.abs().sum() > 0, name


def test_step_by_step_decoding_equals_the_full_pass():
    model = admin_model(decoder_layers=4).eval()
    model.profile_residuals(NET_INPUT)
    previous = NET_INPUT["prev_output_tokens"]
    with torch.no_grad():
        encoder_out = model.encoder(NET_INPUT["src_tokens"], NET_INPUT["src_lengths"])
        expected = model.decoder(previous, encoder_out)[0]
    state: Dict[str, Any] = {}
    stepped = tiny.step_by_step(model, previous, encoder_out, state)
    words = previous.ne(1)
    assert torch.allclose(stepped[words], expected[words], atol=1e-4)


def test_a_loaded_model_is_not_profiled_again():
    trained, resumed = admin_model(), admin_model(seed=2)
    trained.profile_residuals(NET_INPUT)
    resumed.load_state_dict(trained.state_dict(), strict=True)
    assert resumed.residuals_profiled
    for name, value in scales(trained).items():
        assert torch.equal(scales(resumed)[name], value)
    assert tiny.flexible_model().residuals_profiled  # nothing to profile


@pytest.mark.parametrize(("trained", "given"), [("admin", "none"), ("none", "admin")])
def test_a_checkpoint_with_other_residuals_is_refused(trained, given):
    message = f"--residual-init {given}: the checkpoint was trained with --residual-init {trained}"
    with pytest.raises(ValueError, match=message):
        tiny.flexible_model(residual_init=given).load_state_dict(tiny.flexible_model(residual_init=trained).state_dict())


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_pre_ln_is_refused(side):
    message = f"--residual-init admin: expected a Post-LN model; leave out --{side}-normalize-before"
    with pytest.raises(ValueError, match=message):
        admin_model(**{f"{side}_normalize_before": True})


def test_a_task_that_does_not_profile_is_refused():
    task = tiny.task()
    task.profiles_residuals = False
    with pytest.raises(ValueError, match="--residual-init admin: expected --task translation, .*given SimpleNamespace"):
        admin_model(for_task=task)


def test_sharding_is_refused():
    with pytest.raises(ValueError, match="--ddp-backend fully_sharded: cannot shard before --residual-init admin has"):
        admin_model(ddp_backend="fully_sharded")
