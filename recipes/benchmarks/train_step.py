"""Compare one training update of stock fairseq, of a Python double loop over all depth pairs, and of this package.

    python -m recipes.benchmarks.train_step

Each runs in a process of its own. Then the output projection with the loss of all pairs is measured alone, and its
matrix products without the rest. See recipes/benchmarks/README.md.
"""

from argparse import Namespace
from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch import Tensor

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.modules.losses.chunks import FeatureRows, rows_per_chunk
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from fairseq_flexdepth.protocols import Sample
from recipes.benchmarks import build, common
from recipes.benchmarks.double_loop import double_loop_loss
from recipes.benchmarks.update import FormGradients, add_repeat_options, measure_update, timed
from recipes.common.markdown import markdown_table

EPSILON = 0.1
STEPS = {"vanilla": "fairseq `transformer`", "double_loop": "double loop over pairs", "ours": "fairseq_flexdepth"}
LossFunction = Callable[[], Tensor]


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    add_repeat_options(parser)
    return parser.parse_args()


def model_and_loss(kind: str, sample: Sample, args: Namespace) -> Tuple[Any, LossFunction]:
    """Return a model, and a function that computes its mean loss over the target tokens of *sample*."""
    task = build.translation_task(args.vocabulary)
    arch = "tied_multi_transformer" if kind == "ours" else "transformer"
    model = build.build_model(task, arch, args, args.layers, args.layers)
    if kind == "double_loop":
        return model, lambda: double_loop_loss(model, sample, EPSILON) / sample["ntokens"]
    if kind == "vanilla":
        criterion = LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=EPSILON)
    else:
        config = TiedMultiCrossEntropyConfig(label_smoothing=EPSILON, sentence_avg=False, seed=args.seed)
        criterion = TiedMultiCrossEntropyCriterion(task, config)
    return model, lambda: criterion(model, sample)[0] / sample["ntokens"]


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure one of STEPS, ``projection`` or ``products``."""
    return measure_step(kind, args) if kind in STEPS else measure_projection(kind, args)


def measure_step(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure an update of one of STEPS."""
    sample = build.batch(args)

    def make() -> Tuple[Any, FormGradients]:
        model, loss_of = model_and_loss(kind, sample, args)

        def gradients() -> float:
            loss = loss_of()
            loss.backward()
            return loss.item()

        return model, gradients

    return measure_update(kind, make, args)


def measure_projection(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure our projection and loss of all pairs, forward and backward, or the three matrix products of its chunks.

    Args:
        kind: ``projection`` or ``products``.
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
        linear_cross_entropy(FeatureRows(features, weight, target, row_weights), EPSILON).loss.backward()

    chunk = rows_per_chunk(rows, classes, features.device)
    grad_weight = torch.zeros_like(weight, requires_grad=False)

    @torch.no_grad()
    def products() -> None:
        for start in range(0, rows, chunk):
            logits = features[start : start + chunk] @ weight.t()  # chunk × vocabulary
            logits @ weight
            grad_weight.addmm_(logits.t(), features[start : start + chunk])

    result = timed(kind, ours if kind == "projection" else products, args)
    result["gflop_per_second"] = 3 * 2 * rows * classes * width / result["seconds"] / 1e9
    return result


def multiply_adds(args: Namespace, pairs: bool) -> int:
    """Return the multiply-adds per target token of a forward pass, of all depth pairs or of the deepest alone.

    The source is as long as the target.
    """
    d, layers = args.embed_dim, args.layers
    attention = 4 * d * d + 2 * args.length * d
    feed_forward = 2 * d * args.ffn_dim
    decoder = 2 * attention + feed_forward
    return layers * (attention + feed_forward) + (layers if pairs else 1) * (
        layers * decoder + (layers if pairs else 1) * d * args.vocabulary
    )


def compare(measured: Dict[str, Dict[str, Any]], args: Namespace) -> Dict[str, Any]:
    """Return the ratios that have targets, and the figures that explain them."""
    vanilla, loop, ours = (measured[kind] for kind in STEPS)
    projected, products = measured["projection"], measured["products"]
    return {
        "time_vs_vanilla": ours["seconds"] / vanilla["seconds"],
        "multiply_adds_vs_vanilla": multiply_adds(args, pairs=True) / multiply_adds(args, pairs=False),
        "time_vs_double_loop": ours["seconds"] / loop["seconds"],
        "memory_vs_double_loop": ours["peak_mib"] / loop["peak_mib"],
        "projection_share": projected["seconds"] / ours["seconds"],
        "projection_vs_matrix_products": projected["gflop_per_second"] / products["gflop_per_second"],
        "loss_difference": abs(ours["loss"] / loop["loss"] - 1),
        "gradient_norm_difference": abs(ours["gradient_norm"] / loop["gradient_norm"] - 1),
    }


def table(measured: Dict[str, Dict[str, Any]], compared: Dict[str, Any], args: Namespace) -> str:
    """Return the report as Markdown."""
    vanilla, loop, ours = (measured[kind] for kind in STEPS)
    rows: List[List[str]] = []
    for kind, name in STEPS.items():
        step = measured[kind]
        rows.append(
            [name, f"{step['seconds']:.2f}", f"{step['seconds'] / vanilla['seconds']:.2f}"]
            + [f"{step['seconds'] / loop['seconds']:.2f}", f"{step['peak_mib']:,.0f}"]
            + [f"{step['peak_mib'] / loop['peak_mib']:.2f}", f"{step['raw_peak_mib']:,.0f}"]
        )
    header = ["one update", "seconds", "× vanilla", "× loop", "peak MiB", "× loop", "whole process, MiB"]
    projected, products = measured["projection"], measured["products"]
    return common.page(
        f"{args.layers}×{args.layers} layers, d {args.embed_dim}, ffn {args.ffn_dim}, {args.heads} heads, "
        f"vocabulary {args.vocabulary:,}, {args.sentences} × {args.length} target tokens, fp32, "
        f"dropout {args.dropout}, median of {args.repeats} updates.",
        markdown_table(header, rows),
        [
            f"time against vanilla: {common.reached(compared['time_vs_vanilla'], 12.6)}; "
            f"the multiply-adds alone: {compared['multiply_adds_vs_vanilla']:.1f}",
            f"time against the double loop: {common.reached(compared['time_vs_double_loop'], 0.8)}",
            f"peak memory against the double loop: {common.reached(compared['memory_vs_double_loop'], 0.5)}",
            f"projection and loss of all pairs alone: {projected['seconds']:.2f} s, "
            f"{compared['projection_share']:.0%} of our update, {projected['gflop_per_second']:.0f} GFLOP/s; "
            f"bare matrix products of the same shapes: {products['seconds']:.2f} s, "
            f"{products['gflop_per_second']:.0f} GFLOP/s; that is {compared['projection_vs_matrix_products']:.0%}",
            "ours against the double loop, without dropout: "
            f"loss {ours['loss']:.6f} and {loop['loss']:.6f}, gradient norm "
            f"{ours['gradient_norm']:.6f} and {loop['gradient_norm']:.6f}",
        ],
    )


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report.

    Raises:
        SystemExit: loss or gradients differ from the double loop's.
    """
    compared = compare(measured, args)
    for name in ("loss_difference", "gradient_norm_difference"):
        if compared[name] > 1e-5:
            raise SystemExit(f"{name} between ours and the double loop: {compared[name]:.2e}, expected at most 1e-5")
    result = {**common.report(args), "measured": measured, "compared": compared}
    common.write_results(args.results, f"train_step-{args.device}", result, table(measured, compared, args))


def main() -> None:
    """Measure all STEPS, the projection and its matrix products, and write the report."""
    common.run("recipes.benchmarks.train_step", parse(), [*STEPS, "projection", "products"], measure, conclude)


if __name__ == "__main__":
    main()
