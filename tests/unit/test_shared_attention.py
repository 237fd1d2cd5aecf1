"""Attention that the runs of a depth plan share: how often it is computed, with dropout, and where it is not shared.

That losses and gradients are those of separate sub-networks: ``test_multi_task_loss.py``, ``test_layer_sharing.py``.
"""

from typing import Any, Dict, List, Tuple

import pytest
import torch
from fairseq.modules import multihead_attention
from torch import Tensor

from fairseq_flexdepth.modules.shared_attention import SharedAttention
from tests import tiny

SAMPLE = tiny.sample([6, 2, 4], [1, 7, 3])  # 3 sentences, 6 source and 7 target positions
DIVISORS = {"decoder_layers": 6, "decoder_depths": "divisors"}
RUNS = 11  # of the decoder's 6 positions, for the depths 1, 2, 3 and 6 of "optimal"
ON_INPUT = 3  # of them run on the embeddings


def losses(model: Any) -> Tensor:
    return model(**SAMPLE["net_input"], target=SAMPLE["target"])["loss"]


def counted(model: Any, monkeypatch: pytest.MonkeyPatch) -> Tuple[int, int, int]:
    """Projections of keys in cross-attention, and the self-attentions of all encoder depths and of one alone."""
    keys, batches = [], []
    stock = multihead_attention.F.multi_head_attention_forward

    def attend(query: Tensor, *args: Any, **options: Any) -> Any:
        batches.append(query.size(1))
        return stock(query, *args, **options)

    for layer in model.decoder.layers.children():
        layer.encoder_attn.k_proj.register_forward_hook(lambda *_: keys.append(1))
    with monkeypatch.context() as patch:
        patch.setattr(multihead_attention.F, "multi_head_attention_forward", attend)
        losses(model)
    of_decoder = batches[len(model.plans(model.depth_space)[0].runs) :]
    sentences, exits = len(SAMPLE["target"]), len(model.depth_space.encoder)
    return len(keys), of_decoder.count(sentences * exits), of_decoder.count(sentences)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"subnetworks": "optimal", **DIVISORS}, (6, RUNS - ON_INPUT, ON_INPUT)),
        ({"subnetworks": "head", **DIVISORS}, (6, 5, 1)),
        ({"layer_sharing": "cycle", "unique_decoder_layers": 1, "unique_encoder_layers": 3, **DIVISORS}, (1, 5, 1)),
        ({"subnetworks": "optimal", "checkpoint_activations": True, **DIVISORS}, (RUNS, RUNS, 0)),
        ({"subnetworks": "optimal", "ddp_backend": "fully_sharded", **DIVISORS}, (RUNS, RUNS, 0)),
    ],
)
def test_how_often(options: Dict[str, Any], expected: Tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(tiny.flexible_model(**options), monkeypatch) == expected


def test_sharing_changes_no_loss_and_no_gradient() -> None:
    options = {"subnetworks": "optimal", "decoder_normalize_before": True, **DIVISORS}
    shared, separate = (tiny.flexible_model(seed=3, **options) for _ in range(2))
    separate.decoder.shares_attention = False
    assert torch.allclose(losses(shared), losses(separate), rtol=1e-6)
    for model in (shared, separate):
        losses(model).backward()
    tiny.assert_gradients(shared, tiny.gradients(separate))


def test_dropout_after_what_is_shared_differs_between_depths() -> None:
    layer = tiny.plain_model(dropout=0.5, decoder_normalize_before=True).decoder.layers[0].train()
    shared, rows = SharedAttention([layer], copies=2), torch.randn(5, 3, 12).repeat(1, 2, 1)
    seen: List[Tensor] = []  # the queries of cross-attention, and the dropout after it
    layer.encoder_attn.q_proj.register_forward_hook(lambda *call: seen.append(call[-1]))
    layer.dropout_module.register_forward_hook(lambda *call: seen.append(call[-1]))
    with shared.within(layer, on_input=True):
        layer(rows, torch.randn(4, 3, 12).repeat(1, 2, 1))
    same = [torch.equal(output[:, :3], output[:, 3:]) for output in seen]
    assert same == [True, True, False, False]
    assert not any("forward" in vars(module) for module in layer.modules())  # restored
