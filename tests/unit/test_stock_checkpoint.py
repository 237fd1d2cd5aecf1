"""One depth as fairseq's own transformer: the same outputs, for every kind of model."""

from typing import Any, Dict

import pytest
import torch
from fairseq.models.transformer import TransformerModel

from fairseq_flexdepth.export.admin_folding import cannot_fold
from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.export.stock_checkpoint import StockModel, build_stock, stock_model
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX
from tests import tiny
from tests.exportable import loaded

PRE_LN = tiny.NORMS["Pre-LN"]
ADMIN: Dict[str, Any] = {"residual_init": "admin"}
SHARED = {"encoder_layers": 4, "unique_encoder_layers": 2, "unique_decoder_layers": 1}
RECURRENT = {"layer_sharing": "sequence", "unique_encoder_layers": 1, "unique_decoder_layers": 1}
LEARNED = {"encoder_learned_pos": True, "decoder_learned_pos": True}
MODELS: Dict[str, Dict[str, Any]] = {
    "head": {"encoder_layers": 2, "decoder_layers": 3},
    "Pre-LN optimal": {**PRE_LN, "subnetworks": "optimal", "encoder_depths": "divisors", "encoder_layers": 6},
    "sequence": {**SHARED, "layer_sharing": "sequence"},
    "cycle": {**SHARED, "layer_sharing": "cycle", "subnetworks": "left"},
    "Pre-LN cycle_rev": {**SHARED, **PRE_LN, "layer_sharing": "cycle_rev"},
    "recurrent": RECURRENT,
    "no final norm": {**PRE_LN, "no_decoder_final_norm": True},
    "learned positions": LEARNED,
    "no positions": {"no_token_positional_embeddings": True, "no_scale_embedding": True},
    "embedding norm": {"layernorm_embedding": True, "encoder_layerdrop": 0.5},
    "narrow input and output": {"decoder_embed_dim": 12, "decoder_input_dim": 8, "decoder_output_dim": 6},
    "output tied": {"share_decoder_input_output_embed": True},
    "Admin": ADMIN,
    "Admin optimal": {**ADMIN, "subnetworks": "optimal", "encoder_layers": 4, "share_decoder_input_output_embed": True},
    "Admin recurrent": {**ADMIN, **RECURRENT, **LEARNED},
    "Admin cycle_rev": {**ADMIN, **SHARED, "layer_sharing": "cycle_rev", "layernorm_embedding": True},
    "Admin without cross-attention": {**ADMIN, "no_cross_attention": True},
    "Admin without positions": {**ADMIN, "no_token_positional_embeddings": True},
}


def assert_same(original: LoadedModel, stock: StockModel, tolerance: float) -> None:
    """The same logits as *original* at its present depth, also for a source that is padded."""
    smaller = build_stock(original, stock)
    assert type(smaller) is TransformerModel
    for layer in smaller.encoder.layers:  # 0.12.2's inference path differs in the last digits
        layer.can_use_fastpath = False
    batch = tiny.sample([7, 3], [5, 6], target_size=len(original.task.target_dictionary))["net_input"]
    with torch.no_grad():
        expected, found = original.model(**batch)[0], smaller(**batch)[0]
    scale = expected.abs().max()
    assert torch.allclose(found / scale, expected / scale, atol=tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_every_depth_computes_the_same(name: str) -> None:
    original = loaded(**MODELS[name])
    for n, m in original.model.depth_space.pairs:
        stock = stock_model(original, n, m)
        assert tuple(map(len, stock.positions)) == (n, m)
        assert stock.unsupported == []
        assert_same(original, stock, 1e-5 if "Admin" in name else 1e-6)


def test_admin_with_all_embeddings_tied_stores_them_apart() -> None:
    original = loaded(joined=True, share_all_embeddings=True, **ADMIN)
    before = {key: value.clone() for key, value in original.model.named_parameters()}
    stock = stock_model(original, 2, None)
    assert_same(original, stock, 1e-5)
    assert not stock.options["share_all_embeddings"] and stock.options["encoder_learned_pos"]
    assert all(torch.equal(value, before[key]) for key, value in original.model.named_parameters())


def test_admin_whose_first_scales_stayed_one_keeps_its_embeddings() -> None:
    original = loaded(joined=True, share_all_embeddings=True, **ADMIN)
    for side in (original.model.encoder, original.model.decoder):
        torch.nn.init.ones_(getattr(side.layers[0], f"self_attn_{SCALE_SUFFIX}"))
    stock = stock_model(original, None, None)
    assert stock.options["share_all_embeddings"] and not stock.options["encoder_learned_pos"]
    assert_same(original, stock, 1e-5)


def test_a_depth_of_other_layers_than_the_trained_ones() -> None:
    original = loaded(encoder_layers=4)
    stock = stock_model(original, 2, None, "middle_left")
    assert stock.positions == ([1, 3], [1, 2])
    assert_same(original, stock, 1e-6)


def test_fairseqs_own_transformer_is_exported_whole() -> None:
    model = tiny.plain_model().eval()
    original = loaded()._replace(model=model)
    stock = stock_model(original, None, 2)
    assert stock.positions == ([1, 2, 3], [1, 2])
    assert_same(original, stock, 1e-6)
    with pytest.raises(ValueError, match="--enc-layers 2: this model supports 3"):
        stock_model(original, 2, None)
    with pytest.raises(ValueError, match="--subnetworks left: the checkpoint's TransformerModel always runs all"):
        stock_model(original, None, None, "left")


def test_half_precision_stays_so_where_nothing_was_computed() -> None:
    original = loaded(residual_init="admin")._replace(precision=torch.float16)
    state = stock_model(original, 2, 1).state
    assert state["encoder.layers.0.fc2.weight"].dtype == torch.float16
    assert state["encoder.layers.0.fc1.weight"].dtype == torch.float32
    assert not any(key.endswith(SCALE_SUFFIX) for key in state)


def test_all_options_that_admin_cannot_be_folded_with_are_reported_together() -> None:
    original = loaded(cross_self_attention=True, **ADMIN)
    torch.nn.init.zeros_(getattr(original.model.decoder.layers[0], f"final_{SCALE_SUFFIX}"))
    reasons = stock_model(original, None, 1).unsupported
    assert len(reasons) == 2
    assert "decoder.layers.0.final_residual_scale has a zero" in reasons[0]
    assert "admin with --cross-self-attention True: self-attention that reads the encoder's output" in reasons[1]
    assert cannot_fold({}, {}) == []
