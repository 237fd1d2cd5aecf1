"""Measure the output projection with the loss of all depth pairs alone, its matrix products, and soft targets."""

from argparse import Namespace
from typing import Any, Dict
from unittest import mock

import torch

from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.chunks import FeatureRows, rows_per_chunk
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from fairseq_flexdepth.modules.losses.soft_targets import soft_targets
from recipes.benchmarks.update import timed

EPSILON = 0.1
BACKENDS = {"projection": "eager", "projection_compiled": "compiled"}  # measurements of --loss-backend
CHUNKS = {f"soft_targets_{power}": 2**power for power in (20, 25)}  # probabilities per chunk of a teacher's softmax


def measurements() -> Dict[str, Any]:
    """The functions that measure each of these by its name."""
    backends = [name for name, backend in BACKENDS.items() if backend == "eager" or hasattr(torch, "compile")]
    return {**dict.fromkeys([*backends, "products"], measure_projection), **dict.fromkeys(CHUNKS, measure_soft_targets)}


def measure_projection(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure our projection and loss of all pairs, forward and backward, or the three matrix products of its chunks.

    Args:
        kind: one of BACKENDS, or ``products``.
        args: the options.
    """
    rows, classes, width = args.layers**2 * args.sentences * args.length, args.vocabulary, args.embed_dim
    torch.manual_seed(args.seed)
    features = torch.randn(rows, width, device=args.device, requires_grad=True)
    weight = (torch.randn(classes, width, device=args.device) * width**-0.5).requires_grad_()
    target = torch.randint(classes, (rows,), device=args.device)
    row_weights = torch.full((rows,), 1 / rows, device=args.device)

    def ours() -> None:
        features.grad = weight.grad = None
        given = FeatureRows(features, weight, target, row_weights)
        linear_cross_entropy(given, EPSILON, BACKENDS[kind]).loss.backward()

    chunk = rows_per_chunk(rows, classes, features.device)
    grad_weight = torch.zeros_like(weight, requires_grad=False)

    @torch.no_grad()
    def products() -> None:
        for start in range(0, rows, chunk):
            logits = features[start : start + chunk] @ weight.t()  # chunk × vocabulary
            logits @ weight
            grad_weight.addmm_(logits.t(), features[start : start + chunk])

    result = timed(kind, ours if kind in BACKENDS else products, args)
    result["gflop_per_second"] = 3 * 2 * rows * classes * width / result["seconds"] / 1e9
    return result


def measure_soft_targets(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure the softmax of a teacher's logits of one batch, in chunks of one of CHUNKS."""
    torch.manual_seed(args.seed)
    logits = torch.randn(args.sentences * args.length, args.vocabulary, device=args.device)  # tokens × vocabulary
    size = CHUNKS[kind]
    # The constants of a pass that projects nothing, on a CPU and on a GPU.
    with mock.patch.multiple(chunks, SMALL_CHUNK_ELEMENTS=size, CHUNK_ELEMENTS=size):
        return timed(kind, lambda: soft_targets(logits), args)
