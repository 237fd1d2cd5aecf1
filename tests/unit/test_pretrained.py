"""Starting from stock checkpoints: BART's and mBART's weights fit our model, and what does not fit is named."""

import re
from argparse import Namespace
from typing import Any, Dict

import pytest
import torch
from fairseq import models
from fairseq.models.transformer import base_architecture
from omegaconf import OmegaConf

from fairseq_flexdepth.models.pretrained_options import check_same_function
from tests import tiny

BATCH = tiny.sample([6, 2, 4], [3, 7, 5], source_size=21)
PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}  # as mBART is trained
SIZES: Dict[str, Any] = {
    "encoder_embed_dim": 12, "encoder_ffn_embed_dim": 14, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_layers": 3, "decoder_layers": 2, "dropout": 0.0, "max_source_positions": 80, "max_target_positions": 80,
}  # fmt: skip


def pretrained(arch: str, **changes: Any) -> Any:
    """fairseq's BART or mBART in small; its learned positions reach further than our model's."""
    args = Namespace(arch=arch, task="translation", **{**SIZES, **changes})
    models.ARCH_CONFIG_REGISTRY[arch](args)
    base_architecture(args)
    torch.manual_seed(1)
    options = {**vars(args)}  # BART keeps them nested
    model = models.build_model(args, tiny.task(21, joined=True))
    model.options = options
    for layer in model.encoder.layers:  # 0.12.2's inference path differs in the last digits
        layer.can_use_fastpath = False
    return model


def ours(like: Any, joined: bool = True, **changes: Any) -> Any:
    options = {**like.options, "max_source_positions": 64, "max_target_positions": 64, **changes}
    return tiny.flexible_model(seed=5, for_task=tiny.task(21, 21, joined), **options)


def fused(state: Dict[str, Any]) -> Dict[str, Any]:
    """The weights as the first BART checkpoints have them, with one matrix for queries, keys and values."""
    whole = dict(state)
    for key in [key for key in state if ".q_proj." in key]:
        parts = [whole.pop(key.replace("q_proj", f"{name}_proj")) for name in "qkv"]
        whole[re.sub(r"q_proj\.(\w+)$", r"in_proj_\1", key)] = torch.cat(parts)
    return whole


@pytest.mark.parametrize("form", ["of this stack", "of the other stack", "fused", "without the projection"])
@pytest.mark.parametrize(("arch", "changes"), [("bart_base", {}), ("mbart_base", PRE_NORM)])
def test_the_deepest_pair_computes_what_the_pretrained_model_does(arch: str, changes: Any, form: str) -> None:
    stock = pretrained(arch, **changes)
    stock.register_classification_head("mnli", num_classes=3)
    state = stock.state_dict()
    if form == "of the other stack":
        state = tiny.as_of_the_other_stack(state, "encoder.layers", 3)
    elif form == "fused":
        state = fused(state)
    elif form == "without the projection":
        del state["decoder.output_projection.weight"]
    model = ours(stock)
    model.load_state_dict(state, strict=True)
    expected = stock.eval()(**BATCH["net_input"])[0]
    assert torch.allclose(model.eval()(**BATCH["net_input"])[0], expected, atol=1e-6)
    assert len(model.encoder.embed_positions.weight) == 64 + 2
    loss = model(**BATCH["net_input"], target=BATCH["target"])["pair_nll_losses"][-1]
    lprobs = torch.log_softmax(expected, dim=-1).gather(2, BATCH["target"].unsqueeze(2)).squeeze(2)
    assert loss.item() == pytest.approx(-lprobs[BATCH["target"].ne(1)].sum().item(), rel=1e-5)


def test_what_is_left_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    stock = pretrained("bart_base")
    stock.register_classification_head("mnli", num_classes=3)
    caplog.set_level("INFO", "fairseq_flexdepth")
    caplog.clear()
    ours(stock).load_state_dict(stock.state_dict())
    assert "classification heads are left out: classification_heads.mnli.dense.weight" in caplog.messages[0]
    assert caplog.messages[1:] == [
        f"--max-{text}-positions: of the checkpoint's 82 rows of learned positions the first 66 are kept"
        for text in ("source", "target")
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layernorm_embedding": False}, "--layernorm-embedding: the checkpoint was trained with it"),
        ({"encoder_learned_pos": False}, "--encoder-learned-pos: the checkpoint was trained with it"),
        ({"decoder_learned_pos": False}, "--decoder-learned-pos: the checkpoint was trained with it"),
        ({"max_target_positions": 90}, "--max-target-positions: the checkpoint has learned 10 positions less; give no"),
        ({"decoder_normalize_before": True}, "--decoder-normalize-before: the checkpoint was trained without it"),
    ],
)
def test_an_option_that_does_not_fit_is_named(changes: Any, message: str) -> None:
    stock = pretrained("bart_base")
    with pytest.raises(ValueError, match=f"^{message}"):
        ours(stock, **changes).load_state_dict(stock.state_dict())


def test_a_key_that_cannot_be_mapped_is_named() -> None:
    stock = pretrained("bart_base")
    with pytest.raises(ValueError, match=r'do not match this model: .*"encoder\.emb_layer\.weight"') as raised:
        ours(stock).load_state_dict({**stock.state_dict(), "encoder.emb_layer.weight": torch.zeros(1)})
    assert "\n" not in str(raised.value)


def test_embeddings_that_differ_are_not_shared() -> None:
    apart = pretrained("bart_base", share_all_embeddings=False, share_decoder_input_output_embed=False).state_dict()
    stock = pretrained("bart_base")
    message = "^--share-all-embeddings: .* encoder.embed_tokens.weight and decoder.embed_tokens.weight differ; leave"
    with pytest.raises(ValueError, match=message):
        ours(stock).load_state_dict(apart)
    shared: Any = {"share_all_embeddings": False}
    with pytest.raises(ValueError, match="^--share-decoder-input-output-embed: in the checkpoint, decoder.embed_tok"):
        ours(stock, joined=False, **shared).load_state_dict(apart)
    model = ours(stock, joined=False, share_decoder_input_output_embed=False, **shared)
    model.load_state_dict(stock.state_dict())  # shared ones may be trained apart
    assert torch.equal(model.eval()(**BATCH["net_input"])[0], ours_logits(stock))


def ours_logits(stock: Any) -> torch.Tensor:
    model = ours(stock)
    model.load_state_dict(stock.state_dict())
    return model.eval()(**BATCH["net_input"])[0]


def test_barts_mask_is_asked_for() -> None:
    stock = pretrained("bart_base")
    model = tiny.flexible_model(for_task=tiny.task(20, joined=True), **stock.options)
    with pytest.raises(ValueError, match="^source dictionary of 20 .* with 21; .*; if it is BART's, append the line"):
        model.load_state_dict(stock.state_dict())


FLAT = {
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "activation_fn": "gelu", "no_scale_embedding": True,
    "decoder_normalize_before": False,
}  # fmt: skip


@pytest.mark.parametrize("saved", [Namespace(**FLAT), OmegaConf.create(FLAT)], ids=["arguments", "configuration"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_attention_heads": 2}, "^--encoder-attention-heads 2: the checkpoint was trained with 4$"),
        ({"activation_fn": "relu"}, "^--activation-fn relu: the checkpoint was trained with gelu$"),
        ({"decoder_normalize_before": True}, "^--decoder-normalize-before: the checkpoint was trained without it$"),
        ({"no_scale_embedding": False}, "^--no-scale-embedding: the checkpoint was trained with it$"),
        (
            {"decoder_attention_heads": 6, "activation_fn": "tanh"},
            "^--decoder-attention-heads 6: the checkpoint was .* 4; --activation-fn tanh: the checkpoint was .* gelu$",
        ),
        ({}, None),
    ],
)
def test_options_that_weights_do_not_show(changes: Any, message: Any, saved: Any) -> None:
    cfg = tiny.flexible_model(encoder_embed_dim=12, decoder_embed_dim=12, **{**FLAT, **changes}).cfg
    if message is None:
        check_same_function(cfg, saved)
        check_same_function(cfg, cfg)  # nested options
        return
    with pytest.raises(ValueError, match=message):
        check_same_function(cfg, saved)
