"""The speech model with shared layers, against fairseq's own with the same weights."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Sequence

import pytest
import torch
from fairseq import models
from fairseq.models import ARCH_CONFIG_REGISTRY
from fairseq.models.speech_to_text.s2t_transformer import S2TTransformerModel, s2t_transformer_m

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.depth.sharing_strategies import STRATEGIES
from tests import tiny

TASK = SimpleNamespace(target_dictionary=tiny.dictionary(21))
GENERATOR = torch.Generator().manual_seed(1)
FRAMES = torch.randn(3, 24, 5, generator=GENERATOR)
LENGTHS = torch.tensor([24, 17, 9])
PREVIOUS = torch.randint(4, 21, (3, 6), generator=GENERATOR)
TINY = {
    "encoder_layers": 4,
    "decoder_layers": 2,
    "encoder_embed_dim": 12,
    "encoder_ffn_embed_dim": 14,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "conv_channels": 8,
    "input_feat_per_channel": 5,
    "input_channels": 1,
    "dropout": 0.0,
    "max_source_positions": 64,
    "max_target_positions": 64,
    "tpu": False,
}

strategies = pytest.mark.parametrize("strategy", STRATEGIES)


def built(arch: str, seed: int = 1, **changes: Any) -> Any:
    torch.manual_seed(seed)
    args = Namespace(arch=arch, **{**TINY, **changes})
    ARCH_CONFIG_REGISTRY[arch](args)
    return models.build_model(args, TASK)


def shared(strategy: str, seed: int = 1, **changes: Any) -> Any:
    unique = {} if strategy == "none" else {"unique_encoder_layers": 2, "unique_decoder_layers": 1}
    return built("cycle_shared_s2t_transformer", seed, layer_sharing=strategy, **{**unique, **changes})


def stock(like: Any, **changes: Any) -> Any:
    """fairseq's ``s2t_transformer`` with the weights of *like* at every position."""
    return stock_subnetwork(like, range(1, 5), range(1, 3), **changes)


def stock_subnetwork(like: Any, encoder: Sequence[int], decoder: Sequence[int], **changes: Any) -> Any:
    """fairseq's ``s2t_transformer`` that consists of these layers of *like*, counted from 1."""
    args = Namespace(**{**TINY, **changes, "encoder_layers": len(encoder), "decoder_layers": len(decoder)})
    s2t_transformer_m(args)
    model = S2TTransformerModel.build_model(args, TASK)
    for layer in model.encoder.transformer_layers:
        for name in FAST_PATH_NAMES:  # 0.12.2's copies for inference, which are not trained
            layer._parameters.pop(name, None)
        layer.can_use_fastpath = False
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tiny.parameter_called(like, tiny.name_in_whole(name, encoder, decoder)))
    return model


@strategies
def test_equals_fairseqs_model_of_as_many_layers(strategy):
    model = shared(strategy)
    twin = stock(model)
    ours, theirs = model(FRAMES, LENGTHS, PREVIOUS)[0], twin(FRAMES, LENGTHS, PREVIOUS)[0]
    assert torch.allclose(ours, theirs, atol=1e-6)
    ours.sin().sum().backward()
    theirs.sin().sum().backward()
    tiny.assert_gradients_are_sums(model, twin)


@strategies
def test_step_by_step_equals_the_full_pass(strategy):
    model = shared(strategy).eval()
    state: Dict[str, Any] = {}
    with torch.no_grad():
        encoder_out = model.encoder(FRAMES, LENGTHS)
        expected = model.decoder(PREVIOUS, encoder_out)[0]
    assert torch.allclose(tiny.step_by_step(model, PREVIOUS, encoder_out, state), expected, atol=1e-4)
    assert len(state) == 4


@strategies
def test_the_state_dict_holds_each_unique_layer_once_and_loads_back(strategy):
    model, other = shared(strategy).eval(), shared(strategy, seed=2).eval()
    state = model.state_dict()
    assert len({key.split(".")[2] for key in state if key.startswith("encoder.transformer_layers.")}) == 2
    assert len({key.split(".")[2] for key in state if key.startswith("decoder.layers.")}) == 1
    assert not any(key.rpartition(".")[2] in FAST_PATH_NAMES for key in state)
    other.load_state_dict(state, strict=True)
    with torch.no_grad():
        assert torch.equal(other(FRAMES, LENGTHS, PREVIOUS)[0], model(FRAMES, LENGTHS, PREVIOUS)[0])


def test_a_checkpoint_of_the_other_stack_loads():
    model, other = shared("none"), shared("none", seed=2)
    state = tiny.as_of_the_other_stack(model.state_dict(), "encoder.transformer_layers", 4)
    other.load_state_dict(state, strict=True)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, tiny.parameter_called(other, name))


def saved(model: Any, path: Path) -> str:
    """A checkpoint file of *model*, as far as loading its encoder reads it."""
    history = {"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 1}
    checkpoint = {"model": model.state_dict(), "cfg": {"model": {}}, "optimizer_history": [history], "extra_state": {}}
    torch.save(checkpoint, str(path))
    return str(path)


def test_a_pretrained_encoder(tmp_path):
    trained = shared("cycle", seed=2)
    model = shared("cycle", load_pretrained_encoder_from=saved(trained, tmp_path / "asr.pt"))
    for name, parameter in trained.encoder.named_parameters():
        assert torch.equal(parameter, tiny.parameter_called(model.encoder, name)), name
    assert not torch.equal(trained.decoder.layers[0].fc1.weight, model.decoder.layers[0].fc1.weight)
    assert model.encoder.transformer_layers[0].fc1.weight is model.encoder.transformer_layers[2].fc1.weight


def test_a_checkpoint_does_without_the_file_of_its_pretrained_encoder(tmp_path):
    torch.manual_seed(1)
    pretrained = saved(shared("none", seed=2), tmp_path / "asr.pt")
    args = Namespace(arch="cycle_shared_s2t_transformer", layer_sharing="none", **TINY)
    args.load_pretrained_encoder_from = pretrained
    ARCH_CONFIG_REGISTRY[args.arch](args)
    state = models.build_model(args, TASK).state_dict()  # the trainer saves args
    Path(pretrained).unlink()
    models.build_model(args, TASK).load_state_dict(state, strict=True)


def test_a_pretrained_encoder_of_the_other_stack(tmp_path):
    trained = shared("none", seed=2)
    path = saved(trained, tmp_path / "asr.pt")
    state = torch.load(path)
    state["model"] = tiny.as_of_the_other_stack(state["model"], "encoder.transformer_layers", 4)
    state["model"].pop("encoder.embed_positions._float_tensor", None)  # 0.12.2's, which we may be
    torch.save(state, path)
    model = shared("none", load_pretrained_encoder_from=path)
    for name, parameter in trained.encoder.named_parameters():
        assert torch.equal(parameter, tiny.parameter_called(model.encoder, name)), name


def test_a_pretrained_encoder_that_does_not_fit(tmp_path):
    wider = saved(shared("none", encoder_ffn_embed_dim=20), tmp_path / "wider.pt")
    with pytest.raises(ValueError, match="^--load-pretrained-encoder-from .*wider.pt: does not hold the encoder of"):
        shared("none", load_pretrained_encoder_from=wider)
    unshared = saved(shared("none"), tmp_path / "asr.pt")
    with pytest.raises(ValueError, match="--layer-sharing: layers 1 and 3 share their parameters in this model, but"):
        shared("cycle", load_pretrained_encoder_from=unshared)
    with pytest.raises(ValueError, match="--load-pretrained-encoder-from none.pt: no such file"):
        shared("cycle", load_pretrained_encoder_from="none.pt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_depths": "1,2"}, "--encoder-depths 1,2: this model runs at its full depth, unlike tied_multi_s2t"),
        ({"subnetworks": "left"}, "--subnetworks left: this model runs at its full depth"),
        ({"residual_init": "admin"}, "--residual-init admin: a speech model is Pre-LN"),
        ({"unique_encoder_layers": 3}, "--unique-encoder-layers 3: must divide 4, .*: expected one of 1,2,4"),
        ({"unique_decoder_layers": 4}, "--unique-decoder-layers 4: must divide 2, .*: expected one of 1,2"),
        ({"ddp_backend": "fully_sharded"}, "--ddp-backend fully_sharded: cannot shard the tied layers"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ValueError, match=message):
        shared("cycle", **changes)
