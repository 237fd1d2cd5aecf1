"""The language model with shared layers, against fairseq's own with the same weights."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any, Dict

import pytest
import torch
from fairseq import models
from fairseq.models import ARCH_CONFIG_REGISTRY, MODEL_DATACLASS_REGISTRY
from fairseq.models.transformer_lm import TransformerLanguageModel, transformer_lm_baevski_wiki103

from fairseq_flexdepth.depth.sharing_strategies import STRATEGIES
from tests import tiny

WORDS = tiny.dictionary(40)
TASK = SimpleNamespace(source_dictionary=WORDS, target_dictionary=WORDS)
TOKENS = torch.randint(4, 40, (3, 7), generator=torch.Generator().manual_seed(1))
TINY = {
    "decoder_layers": 4,
    "decoder_embed_dim": 32,
    "decoder_ffn_embed_dim": 14,
    "decoder_attention_heads": 2,
    "adaptive_input_cutoff": "10,20",
    "adaptive_softmax_cutoff": "10,20",
    "dropout": 0.0,
    "tokens_per_sample": 16,
    "max_target_positions": 16,
    "add_bos_token": False,
    "tpu": False,
    "ddp_backend": "legacy_ddp",
}

strategies = pytest.mark.parametrize("strategy", STRATEGIES)


def shared(strategy: str, seed: int = 1, **changes: Any) -> Any:
    torch.manual_seed(seed)
    options = {**TINY, **({} if strategy == "none" else {"unique_decoder_layers": 2}), **changes}
    args = Namespace(arch="cycle_shared_transformer_lm", layer_sharing=strategy, **options)
    ARCH_CONFIG_REGISTRY[args.arch](args)
    return models.build_model(args, TASK)


def stock(like: Any) -> Any:
    """fairseq's ``transformer_lm`` with the weights of *like* at every position."""
    args = Namespace(**TINY)
    transformer_lm_baevski_wiki103(args)
    for name in ("share_decoder_input_output_embed", "character_embeddings"):
        setattr(args, name, False)
    return tiny.give_weights(like, TransformerLanguageModel.build_model(args, TASK))


def nll(model: Any) -> torch.Tensor:
    features = model(TOKENS, src_lengths=None)[0]
    outputs, targets = model.decoder.adaptive_softmax(features, TOKENS.view(-1))
    return sum(
        torch.nn.functional.cross_entropy(output, target, reduction="sum")
        for output, target in zip(outputs, targets)
        if target is not None
    )


@strategies
def test_equals_fairseqs_model_of_as_many_layers(strategy):
    model = shared(strategy).eval()
    twin = stock(model).eval()
    ours, theirs = nll(model), nll(twin)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    ours.backward()
    theirs.backward()
    tiny.assert_gradients_are_sums(model, twin)


@strategies
def test_step_by_step_equals_the_full_pass(strategy):
    model = shared(strategy).eval()
    state: Dict[str, Any] = {}
    with torch.no_grad():
        expected = model(TOKENS, src_lengths=None)[0]
        steps = [model(TOKENS[:, : end + 1], src_lengths=None, incremental_state=state)[0] for end in range(7)]
    assert torch.allclose(torch.cat(steps, dim=1), expected, atol=1e-4)
    assert len(state) == 4


@strategies
def test_the_state_dict_holds_each_unique_layer_once_and_loads_back(strategy):
    model, other = shared(strategy), shared(strategy, seed=2)
    state = model.state_dict()
    layers = {key.split(".")[2] for key in state if key.startswith("decoder.layers.")}
    assert len(layers) == 2
    other.load_state_dict(state, strict=True)
    assert torch.equal(nll(other.eval()), nll(model.eval()))


def test_nothing_shared_is_fairseqs_model():
    model = shared("none")
    twin = stock(model)
    assert list(model.state_dict()) == list(twin.state_dict())


def test_different_layers_are_not_squeezed_into_one():
    with pytest.raises(ValueError, match="layers 1 and 3 share their .* has two different decoder.layers.2.self_attn"):
        shared("cycle").load_state_dict(shared("none").state_dict())
    shared("cycle").load_state_dict(stock(shared("cycle", seed=2)).state_dict())  # equal ones are


def test_options_from_yaml_get_the_presets_values():
    config = MODEL_DATACLASS_REGISTRY["cycle_shared_transformer_lm"]()
    preset = Namespace()
    ARCH_CONFIG_REGISTRY["cycle_shared_transformer_lm"](preset)
    for name, value in vars(preset).items():
        if name not in ("add_bos_token", "base_shuffle"):  # the task's; a truth value in place of a number
            assert getattr(config, name, value) == value, name
    assert (config.decoder_layers, config.unique_decoder_layers, config.adaptive_input) == (12, 6, True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unique_encoder_layers": 2}, "--unique-encoder-layers 2: a language model has no encoder; leave the option"),
        ({"encoder_layers": 2}, "--encoder-layers 2: a language model has no encoder"),
        ({"encoder_layerdrop": 0.1}, "--encoder-layerdrop 0.1: a language model has no encoder"),
        ({"decoder_depths": "1,2"}, "--decoder-depths 1,2: this model runs at its full depth, tied_multi"),
        ({"encoder_depths": "all"}, "--encoder-depths all: a language model has no encoder"),
        ({"subnetworks": "left"}, "--subnetworks left: this model runs at its full depth"),
        ({"residual_init": "admin"}, "--residual-init admin: a language model is Pre-LN"),
        ({"unique_decoder_layers": 3}, "--unique-decoder-layers 3: must divide 4, .*: expected one of 1,2,4"),
        ({"ddp_backend": "fully_sharded"}, "--ddp-backend fully_sharded: cannot shard the tied layers"),
        ({"decoder_layers_to_keep": "0,1"}, "--decoder-layers-to-keep 0,1: cannot prune layers that share"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ValueError, match=message):
        shared("cycle", **changes)
