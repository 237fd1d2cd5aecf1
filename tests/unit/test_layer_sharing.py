"""Layers that share their parameters, against a model of as many layers of their own."""

import copy
from typing import Any, Dict

import pytest
import torch

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.depth.sharing_strategies import STRATEGIES, assign_layers
from tests import tiny

BATCH = tiny.sample([6, 2, 4], [3, 7, 5])
DEEP = {"encoder_layers": 6, "decoder_layers": 4}

strategies = pytest.mark.parametrize("strategy", STRATEGIES)
norms = pytest.mark.parametrize("norm", tiny.NORMS.values(), ids=tiny.NORMS.keys())
inits = pytest.mark.parametrize("residual_init", ["none", "admin"])


def shared(strategy: str, **changes: Any) -> Any:
    unique = {} if strategy == "none" else {"unique_encoder_layers": 3, "unique_decoder_layers": 2}
    return tiny.flexible_model(layer_sharing=strategy, **{**DEEP, **unique, **changes})


def all_names(model: Any) -> Dict[str, torch.nn.Parameter]:
    """Every name of every parameter, shared ones under each of their names."""
    return {
        f"{prefix}.{name}": parameter
        for prefix, module in model.named_modules()
        for name, parameter in module._parameters.items()
        if parameter is not None
    }


def losses(model: Any) -> Dict[str, torch.Tensor]:
    return model.train()(**BATCH["net_input"], target=BATCH["target"], label_smoothing=0.1)


@strategies
@norms
def test_loss_and_gradients_are_those_of_an_untied_model_summed(strategy, norm):
    model = shared(strategy, **norm)
    untied = tiny.untied_copy(model, **DEEP, **norm)
    ours, theirs = losses(model), losses(untied)
    assert torch.allclose(ours["pair_losses"], theirs["pair_losses"], rtol=1e-5)
    ours["loss"].backward()
    theirs["loss"].backward()
    tiny.assert_gradients_are_sums(model, untied)


@strategies
def test_every_part_of_a_layer_is_shared_with_its_own_kind(strategy):
    model = shared(strategy)
    for layers, unique in ((model.encoder.layers, 3), (model.decoder.layers, 2)):
        assignment = assign_layers(strategy, len(layers), unique)
        parts = dict(layers[0].named_parameters())
        assert len(parts) == (16 if unique == 3 else 26)
        for one, layer in enumerate(layers):
            for other in range(one):
                same = assignment[one] == assignment[other]
                for name, parameter in layer.named_parameters():
                    assert (parameter is dict(layers[other].named_parameters())[name]) == same, name
        assert len({id(layer) for layer in layers}) == len(layers)


def test_attentions_keep_their_own_caches_and_biases():
    layers = shared("cycle", unique_encoder_layers=1, unique_decoder_layers=1).decoder.layers
    keys = {attention._incremental_state_id for layer in layers for attention in (layer.self_attn, layer.encoder_attn)}
    assert len(keys) == 8
    assert layers[1].encoder_attn.q_proj.bias is layers[0].encoder_attn.q_proj.bias
    assert layers[1].encoder_attn.q_proj.bias is not layers[0].self_attn.q_proj.bias


@strategies
@norms
@pytest.mark.parametrize("pair", [(6, 4), (4, 3), (1, 1)], ids=lambda pair: f"e{pair[0]}d{pair[1]}")
def test_step_by_step_decoding_equals_the_full_pass(strategy, norm, pair):
    model = shared(strategy, **norm).eval()
    model.set_depth(*pair)
    source, previous = BATCH["net_input"]["src_tokens"], BATCH["net_input"]["prev_output_tokens"]
    with torch.no_grad():
        encoder_out = model.encoder(source, BATCH["net_input"]["src_lengths"])
        expected = model.decoder(previous, encoder_out)[0]
    state: Dict[str, Any] = {}
    stepped = tiny.step_by_step(model, previous, encoder_out, state)
    words = previous.ne(1)
    assert torch.allclose(stepped[words], expected[words], atol=1e-4)
    assert len(state) == 2 * pair[1]


@strategies
@norms
def test_a_depth_runs_the_layers_that_its_positions_share(strategy, norm):
    model = shared(strategy, **norm).eval()
    untied = tiny.untied_copy(model, **DEEP, **norm).eval()
    for pair in model.depth_space.pairs:
        model.set_depth(*pair)
        untied.set_depth(*pair)
        with torch.no_grad():
            assert torch.equal(model(**BATCH["net_input"])[0], untied(**BATCH["net_input"])[0])


@strategies
@inits
def test_the_state_dict_holds_each_unique_layer_once_and_loads_back(strategy, residual_init):
    model, other = (shared(strategy, seed=seed, residual_init=residual_init) for seed in (1, 2))
    state = model.state_dict()
    weights = [value for key, value in state.items() if "_float_tensor" not in key and "version" not in key]
    # the output projection is stored beside the embeddings only where it is not the same
    assert sum(weight.numel() for weight in weights) == sum(parameter.numel() for parameter in model.parameters())
    assert not any(key.rpartition(".")[2] in FAST_PATH_NAMES for key in state)
    other.load_state_dict(copy.deepcopy(state), strict=True)
    for name, parameter in all_names(other).items():
        assert torch.equal(parameter, all_names(model)[name]), name
    assert list(state) == list(model.state_dict())


@strategies
def test_the_average_of_two_checkpoints_is_the_average_of_the_models(strategy):
    first, second, average = (shared(strategy, seed=seed) for seed in (1, 2, 3))
    state = {key: (value + second.state_dict()[key]) / 2 for key, value in first.state_dict().items()}
    average.load_state_dict(state, strict=True)
    for name, parameter in all_names(average).items():
        expected = (all_names(first)[name] + all_names(second)[name]) / 2
        assert torch.allclose(parameter, expected, atol=1e-7), name


def test_the_tie_survives_a_change_of_precision_and_a_copy():
    for model in (shared("cycle_rev").half(), copy.deepcopy(shared("cycle_rev")), shared("cycle_rev").double()):
        first, last = model.encoder.layers[0], model.encoder.layers[5]
        assert first.fc1.weight is last.fc1.weight
        assert first is not last


def test_a_checkpoint_that_lacks_a_layer_is_refused():
    state = shared("cycle").state_dict()
    del state["encoder.layers.1.fc2.weight"]
    with pytest.raises(ValueError, match="weights do not match this model: .*encoder.layers.1"):
        shared("cycle").load_state_dict(state, strict=True)


@pytest.mark.parametrize("strategy", ["none", "cycle", "sequence"])
def test_a_checkpoint_of_another_sharing_is_refused(strategy):
    model = shared(strategy)
    other = shared("sequence" if strategy == "cycle" else "cycle")
    message = {
        "none": "^--encoder-layers 6: the checkpoint has 3 encoder layers$",
        "cycle": "^--encoder-layers 6 --unique-encoder-layers 3 --layer-sharing cycle: the checkpoint has 3 encoder "
        "layers, first used at positions 1,3,5$",
        "sequence": "--layer-sharing sequence: the checkpoint has 3 encoder layers, first used at positions 1,2,3$",
    }[strategy]
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(other.state_dict())


@strategies
def test_a_stock_checkpoint_is_loaded_if_layers_that_share_are_equal(strategy):
    model, other = shared(strategy), shared(strategy, seed=2)
    stock = tiny.plain_model(3, **DEEP)
    with pytest.raises(ValueError, match=r"^--layer-sharing: layers \d and \d share their parameters in this model"):
        other.load_state_dict(stock.state_dict())
    other.load_state_dict(tiny.give_weights(model, stock).state_dict())
    assert all(torch.equal(one, another) for one, another in zip(other.parameters(), model.parameters()))


def test_activation_checkpointing_gives_the_same_gradients():
    plain, checkpointed = shared("cycle_rev"), shared("cycle_rev", checkpoint_activations=True)
    checkpointed.load_state_dict(plain.state_dict())
    losses(plain)["loss"].backward()
    losses(checkpointed)["loss"].backward()
    for (name, one), other in zip(plain.named_parameters(), checkpointed.parameters()):
        assert torch.allclose(one.grad, other.grad, atol=1e-6), name


def test_parameters_of_left_out_positions_get_zero_gradients_unless_another_position_uses_them():
    model = shared("sequence", encoder_depths="2,6", subnetworks="head")
    space = type(model.depth_space)((2,), model.depth_space.decoder)
    model.train()(**BATCH["net_input"], target=BATCH["target"], depths=space)["loss"].backward()
    assert model.encoder.layers[1].fc1.weight.grad.abs().sum() > 0
    assert model.encoder.layers[5].fc1.weight.grad.abs().sum() == 0
    assert len(model.encoder.layers.unused_parameters()) == 2 * 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unique_encoder_layers": 4}, "--unique-encoder-layers 4: must divide 6, the number of layers: .* 1,2,3,6"),
        ({"unique_encoder_layers": 0}, "--unique-encoder-layers 0: must divide 6"),
        ({"unique_decoder_layers": 8}, "--unique-decoder-layers 8: must divide 4, .*expected one of 1,2,4"),
        ({"unique_decoder_layers": None}, "--unique-decoder-layers: required with --layer-sharing cycle"),
        (
            {"strategy": "none", "unique_encoder_layers": 3},
            "--unique-encoder-layers 3: needs --layer-sharing, one of sequence, cycle, cycle_rev",
        ),
        (
            {"ddp_backend": "fully_sharded"},
            "--ddp-backend fully_sharded: cannot shard the tied layers of --layer-sharing cycle; use .* legacy_ddp",
        ),
        ({"encoder_layers": 0}, "--encoder-layers 0: expected 1 or more"),
        ({"encoder_layers_to_keep": "0,1,2"}, "--encoder-layers-to-keep 0,1,2: cannot prune layers that share"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ValueError, match=message):
        shared(**{"strategy": "cycle", **changes})


@pytest.mark.parametrize(
    ("processes", "backend", "refused"),
    [(2, "pytorch_ddp", True), (2, "c10d", True), (2, "legacy_ddp", False), (1, "pytorch_ddp", False)],
)
def test_torchs_ddp_with_activation_checkpointing(monkeypatch, processes, backend, refused):
    monkeypatch.setattr("fairseq_flexdepth.models.layer_sharing.get_data_parallel_world_size", lambda: processes)
    if not refused:
        shared("cycle", checkpoint_activations=True, ddp_backend=backend)
        return
    with pytest.raises(ValueError, match=f"--checkpoint-activations: with .*--ddp-backend {backend} would see"):
        shared("cycle", checkpoint_activations=True, ddp_backend=backend)


@pytest.mark.parametrize("option", ["checkpoint_activations", "offload_activations"])
@pytest.mark.parametrize(("subnetworks", "refused"), [("head", False), ("left", True), ("optimal", True)])
def test_torchs_ddp_with_layers_that_run_several_times(monkeypatch, option, subnetworks, refused):
    monkeypatch.setattr("fairseq_flexdepth.models.layer_sharing.get_data_parallel_world_size", lambda: 2)
    options = {"encoder_layers": 4, "subnetworks": subnetworks, option: True, "ddp_backend": "pytorch_ddp"}
    if not refused:
        tiny.flexible_model(**options)
        return
    with pytest.raises(ValueError, match=f"^--checkpoint-activations: with --subnetworks {subnetworks}, --ddp-"):
        tiny.flexible_model(**options)


def test_layerdrop_says_what_happens_to_a_dropped_position(caplog):
    caplog.set_level("INFO")
    model = shared("cycle", encoder_layerdrop=0.5)
    assert "--encoder-layerdrop 0.5 with --layer-sharing cycle: a dropped position is skipped" in caplog.text
    assert "--decoder-layerdrop" not in caplog.text
    losses(model)["loss"].backward()
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())
