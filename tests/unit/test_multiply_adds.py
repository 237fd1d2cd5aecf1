"""The multiply-adds and bytes that the benchmarks state are those that torch counts, and those that one can see."""

from argparse import Namespace
from typing import Any, Callable

import pytest
import torch

from fairseq_flexdepth.depth.supported_depths import DepthSpace
from recipes.benchmarks import arithmetic, build, flexible_depth, multiply_adds, train_step
from recipes.benchmarks.operations import Device, Operations

pytest.importorskip("torch.nn.attention", reason="torch before 2.3 cannot be told which attention to use")

SIZES = Namespace(
    layers=3, embed_dim=8, ffn_dim=12, heads=2, vocabulary=30, sentences=2, length=5, seed=1, dropout=0.0, draws=2,
    device="cpu",
)  # fmt: skip
ALL = DepthSpace((1, 2, 3), (1, 2, 3))


def counted(function: Callable[[], Any]) -> float:
    """The multiply-adds of a call per target token; torch counts no fused attention of a CPU."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        function()
    return counter.get_total_flops() / 2 / (SIZES.sentences * SIZES.length)


def test_of_tied_multi_updates() -> None:
    sample, whole = build.batch(SIZES), [range(1, 4)]
    found = {kind: counted(train_step.model_and_loss(kind, sample, SIZES)[1]) for kind in ("vanilla", "ours")}
    every = [range(1, depth + 1) for depth in ALL.encoder]
    assert found["vanilla"] == multiply_adds.together(SIZES, whole, whole)
    assert found["ours"] == multiply_adds.together(SIZES, every, every)
    assert found["ours"] / found["vanilla"] == train_step.multiply_adds_vs_vanilla(SIZES, ALL)


def test_of_multi_task_flexible_depth() -> None:
    model = flexible_depth.build_model("tied_multi_transformer", flexible_depth.FLEXIBLE, SIZES)
    sample = build.batch(SIZES)
    options = {"target": sample["target"], "label_smoothing": 0.1, "depths": flexible_depth.SPACE}
    encoder, decoder = (list(side.values()) for side in flexible_depth.subnetworks())
    found = counted(lambda: model(**sample["net_input"], **options))
    assert found == multiply_adds.together(SIZES, encoder, decoder)
    defaults = Namespace(embed_dim=512, ffn_dim=1024, length=24, vocabulary=10_000)
    assert flexible_depth.multiply_adds_ratio(defaults) == pytest.approx(0.594, abs=5e-4)


def test_an_update_computes_three_times_as_much() -> None:
    every, whole = [range(1, depth + 1) for depth in ALL.encoder], [range(1, 4)]
    tokens = SIZES.sentences * SIZES.length
    uniform = len(ALL.pairs) * SIZES.embed_dim  # label smoothing's part of the projection's gradient
    for kind, side, more in (("vanilla", whole, 0), ("ours", every, uniform)):
        expected = 3 * multiply_adds.together(SIZES, side, side) + more
        assert arithmetic.measure(kind, SIZES)["flop"] == 2 * tokens * expected


def test_bytes_kernels_and_seconds_of_single_operations() -> None:
    left, right, words = torch.rand(3, 4), torch.rand(4, 5), torch.tensor([1, 2])

    def count(function: Callable[[], Any]) -> Operations:
        with Operations({"slow": Device(2.0, 1e9), "narrow": Device(1e9, 4.0)}) as counted:
            function()
        return counted

    product = count(lambda: left @ right)
    assert (product.flop, product.moved, product.kernels) == (120, 4 * (12 + 20 + 15), 1)
    assert product.seconds == {"slow": 60.0, "narrow": 47.0}
    assert count(lambda: torch.zeros(3, 5).addmm_(left, right)).flop == 120
    assert count(lambda: left.t()).kernels == 0
    assert count(lambda: left.copy_(left + 1)).moved == 4 * (2 * 12 + 2 * 12)
    assert count(lambda: right.index_select(0, words)).moved == 8 * 2 + 2 * 4 * 10
