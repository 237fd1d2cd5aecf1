"""Checkpoints: of fairseq's ``transformer``, of the other stack, and ones that do not fit."""

from argparse import Namespace

import pytest
import torch
from fairseq import models
from omegaconf import DictConfig

from tests import tiny

BATCH = tiny.sample([6, 2, 4], [3, 7, 5])


def logits(model):
    return model.eval()(**BATCH["net_input"])[0]


@pytest.mark.parametrize("changes", tiny.NORMS.values(), ids=tiny.NORMS.keys())
def test_fairseqs_transformer_loads_both_ways(changes):
    model, other = tiny.flexible_model(**changes), tiny.flexible_model(seed=2, **changes)
    stock = tiny.stock_model(model, 3, 2, **changes)
    other.load_state_dict(stock.state_dict(), strict=True)
    assert torch.equal(logits(other), logits(model))
    stock.load_state_dict(tiny.flexible_model(seed=3, **changes).state_dict(), strict=True)
    assert torch.equal(logits(stock), logits(tiny.flexible_model(seed=3, **changes)))


def test_fairseqs_transformer_may_take_its_fast_path_with_our_weights():
    model = tiny.flexible_model()
    stock = tiny.stock_model(model, 3, 2)
    for layer in stock.encoder.layers:
        layer.can_use_fastpath = True  # 0.12.2, as fairseq-generate runs it
    with torch.no_grad():
        assert torch.allclose(logits(stock), logits(model), atol=1e-5)


def test_a_checkpoint_of_the_other_stack_loads():
    model, other = tiny.flexible_model(), tiny.flexible_model(seed=2)
    state = tiny.as_of_the_other_stack(model.state_dict(), "encoder.layers", 3)
    other.load_state_dict(state, strict=True)
    assert torch.equal(logits(other), logits(model))


def test_other_keys_are_still_refused():
    model = tiny.flexible_model()
    state = model.state_dict()
    state["encoder.layers.0.gate"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"Unexpected key\(s\) in state_dict: \"encoder.layers.0.gate\""):
        model.load_state_dict(state, strict=True)


def test_shared_embeddings_stay_shared():
    joined = tiny.task(21, joined=True)
    model, other = (tiny.flexible_model(seed=seed, for_task=joined, share_all_embeddings=True) for seed in (1, 2))
    other.load_state_dict(model.state_dict(), strict=True)
    assert other.encoder.embed_tokens.weight is other.decoder.output_projection.weight
    assert torch.equal(logits(other), logits(model))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((18, 21), "^source dictionary of 18 entries: the checkpoint was trained with 17; give the data directory"),
        ((17, 20), "^target dictionary of 20 entries: the checkpoint was trained with 21; give the data directory"),
    ],
)
def test_a_dictionary_that_does_not_fit_is_named(sizes, message):
    state = tiny.flexible_model().state_dict()
    with pytest.raises(ValueError, match=message):
        tiny.flexible_model(for_task=tiny.task(*sizes)).load_state_dict(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_layers": 2}, "^--encoder-layers 2: the checkpoint has 3 encoder layers$"),
        ({"encoder_layers": 12}, "^--encoder-layers 12: the checkpoint has 3 encoder layers$"),
        ({"decoder_layers": 3}, "^--decoder-layers 3: the checkpoint has 2 decoder layers$"),
        ({"encoder_normalize_before": True}, "^--encoder-normalize-before: the checkpoint was trained without it$"),
        ({"decoder_normalize_before": True}, "^--decoder-normalize-before: the checkpoint was trained without it$"),
        (
            {"encoder_normalize_before": True, "no_decoder_final_norm": True},
            "^--encoder-normalize-before: the checkpoint was trained without it$",
        ),
        ({"encoder_embed_dim": 8}, "^--encoder-embed-dim 8: the checkpoint was trained with 12$"),
        ({"encoder_ffn_embed_dim": 20}, "^--encoder-ffn-embed-dim 20: the checkpoint was trained with 14$"),
        ({"decoder_ffn_embed_dim": 20}, "^--decoder-ffn-embed-dim 20: the checkpoint was trained with 14$"),
    ],
)
def test_another_size_is_named(changes, message):
    state = tiny.flexible_model().state_dict()
    with pytest.raises(ValueError, match=message):
        tiny.flexible_model(**changes).load_state_dict(state)


def test_a_model_loads_whatever_depth_is_chosen():
    model, other = tiny.flexible_model(), tiny.flexible_model(seed=2)
    model.set_depth(2, 1)
    other.set_depth(1, 1)
    other.load_state_dict(model.state_dict(), strict=True)
    assert other.chosen_depth == (1, 1)
    model.set_depth()
    other.set_depth()
    assert torch.equal(logits(other), logits(model))


@pytest.mark.parametrize("name", ["tied_multi_transformer_tiny", "recurrent_stacked_transformer_tiny"])
def test_options_saved_before_ours_existed_and_options_from_yaml(name):
    saved = tiny.options()  # fairseq's alone
    for config in (Namespace(**vars(saved), arch=name), DictConfig({"_name": name, **vars(saved)})):
        model = models.build_model(config, tiny.task())
        assert len(model.encoder.layers) == 3
        assert model.depth_space.deepest == (3, 2)
