"""Compare one training update of stock fairseq, of a Python double loop over all depth pairs, and of this package.

    python -m recipes.benchmarks.train_step

Each runs in a process of its own. Then the output projection with the loss of all pairs is measured alone, by each
``--loss-backend``, its matrix products without the rest, and a teacher's softmax. See recipes/benchmarks/README.md.
"""

from argparse import ArgumentParser, Namespace
from itertools import combinations, cycle
from statistics import mean
from typing import Any, Callable, Dict, List, Tuple

from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch import Tensor

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.depth.supported_depths import DepthSpace
from fairseq_flexdepth.protocols import Sample
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from recipes.benchmarks import build, common, multiply_adds, projection
from recipes.benchmarks.double_loop import double_loop_loss
from recipes.benchmarks.update import FormGradients, add_repeat_options, measure_update
from recipes.common.markdown import markdown_table

EPSILON = projection.EPSILON
STEPS = {"vanilla": "fairseq `transformer`", "double_loop": "double loop over pairs", "ours": "fairseq_flexdepth"}
SAMPLED = 2  # depths per side that are drawn for each update of the step ``sampled``
ALL_STEPS = {**STEPS, "sampled": f"fairseq_flexdepth, {SAMPLED}+{SAMPLED} depths drawn"}
LossFunction = Callable[[], Tensor]


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    add_repeat_options(parser)
    add_draw_option(parser)
    return parser.parse_args()


def add_draw_option(parser: ArgumentParser) -> None:
    """Add the option of the step ``sampled``."""
    parser.add_argument("--draws", type=int, default=12, help="draws of depths; the mean update of all is reported")


def model_and_loss(kind: str, sample: Sample, args: Namespace) -> Tuple[Any, LossFunction]:
    """Return a model, and a function that computes its mean loss over the target tokens of *sample*."""
    task = build.translation_task(args.vocabulary)
    arch = "transformer" if kind in ("vanilla", "double_loop") else "tied_multi_transformer"
    model = build.build_model(task, arch, args, args.layers, args.layers)
    if kind == "double_loop":
        return model, lambda: double_loop_loss(model, sample, EPSILON) / sample["ntokens"]
    if kind == "vanilla":
        criterion = LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=EPSILON)
    else:
        count = SAMPLED if kind == "sampled" else 0
        config = TiedMultiCrossEntropyConfig(
            label_smoothing=EPSILON,
            sentence_avg=False,
            seed=args.seed,
            sample_encoder_depths=count,
            sample_decoder_depths=count,
            accumulate_depths=kind == "accumulated",
        )
        words = task.source_dictionary
        own_task = FlexDepthTranslationTask(FlexDepthTranslationConfig(source_lang="a", target_lang="b"), words, words)
        criterion = TiedMultiCrossEntropyCriterion(own_task, config)
    return model, lambda: criterion(model, sample)[0] / sample["ntokens"]


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure one of ALL_STEPS, or a part of the loss."""
    return projection.measurements().get(kind, measure_step)(kind, args)


def measure_step(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure an update of one of ALL_STEPS; where depths are drawn, the mean of one update per draw."""
    sample = build.batch(args)
    draws = range(args.draws if kind == "sampled" else 1)
    update_numbers = cycle(draws)  # which decide what is drawn

    def make() -> Tuple[Any, FormGradients]:
        model, loss_of = model_and_loss(kind, sample, args)

        def gradients() -> float:
            model.set_num_updates(next(update_numbers))
            loss = loss_of()
            loss.backward()
            return loss.item()

        return model, gradients

    return measure_update(kind, make, args, updates=len(draws))


def multiply_adds_vs_vanilla(args: Namespace, depths: DepthSpace) -> float:
    """The multiply-adds of an update of *depths*, relative to one of the deepest pair alone."""
    encoder, decoder = ([range(1, depth + 1) for depth in side] for side in (depths.encoder, depths.decoder))
    whole = [range(1, args.layers + 1)]
    return multiply_adds.together(args, encoder, decoder) / multiply_adds.together(args, whole, whole)


def sampled_multiply_adds(args: Namespace) -> Dict[str, float]:
    """The same for sampled depths: the mean of the draws that are measured (``drawn``), and of all (``every``)."""
    layers = tuple(range(1, args.layers + 1))
    space = DepthSpace(layers, layers)
    drawn = [space.sample(SAMPLED, SAMPLED, args.seed, update) for update in range(args.draws)]
    sides = list(combinations(layers, SAMPLED))
    every = [DepthSpace(encoder, decoder) for encoder in sides for decoder in sides]
    return {
        name: mean(multiply_adds_vs_vanilla(args, depths) for depths in spaces)
        for name, spaces in (("drawn", drawn), ("every", every))
    }


def compare(measured: Dict[str, Dict[str, Any]], args: Namespace) -> Dict[str, Any]:
    """Return the ratios that have targets, and the figures that explain them."""
    vanilla, loop, ours = (measured[kind] for kind in STEPS)
    projected, products = measured["projection"], measured["products"]
    layers = tuple(range(1, args.layers + 1))
    return {
        "time_vs_vanilla": ours["seconds"] / vanilla["seconds"],
        "multiply_adds_vs_vanilla": multiply_adds_vs_vanilla(args, DepthSpace(layers, layers)),
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
    for kind, name in ALL_STEPS.items():
        if kind not in measured:  # older results
            continue
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
            f"time against vanilla: {common.reached(compared['time_vs_vanilla'], 9.0)}; "
            f"the multiply-adds alone: {compared['multiply_adds_vs_vanilla']:.1f}",
            f"time against the double loop: {common.reached(compared['time_vs_double_loop'], 0.7)}",
            f"peak memory against vanilla: {common.reached(ours['peak_mib'] / vanilla['peak_mib'], 1.6)}",
            f"peak memory against the double loop: {common.reached(compared['memory_vs_double_loop'], 0.5)}",
            f"projection and loss of all pairs alone: {projected['seconds']:.2f} s, "
            f"{compared['projection_share']:.0%} of our update, {projected['gflop_per_second']:.0f} GFLOP/s; "
            f"bare matrix products of the same shapes: {products['seconds']:.2f} s, "
            f"{products['gflop_per_second']:.0f} GFLOP/s; that is {compared['projection_vs_matrix_products']:.0%}",
            "ours against the double loop, without dropout: "
            f"loss {ours['loss']:.6f} and {loop['loss']:.6f}, gradient norm "
            f"{ours['gradient_norm']:.6f} and {loop['gradient_norm']:.6f}",
            *newer_findings(measured, args),
        ],
    )


def newer_findings(measured: Dict[str, Dict[str, Any]], args: Namespace) -> List[str]:
    """What older results lack: sampled depths, and other ways to compute the loss."""
    found = []
    if "sampled" in measured:
        counted = sampled_multiply_adds(args)
        ratio = measured["sampled"]["seconds"] / measured["vanilla"]["seconds"]
        found.append(
            f"{SAMPLED}+{SAMPLED} depths drawn, time against vanilla, mean of {args.draws} draws: "
            f"{common.reached(ratio, 3.0)}; the multiply-adds alone: {counted['drawn']:.2f}, of all possible draws "
            f"{counted['every']:.2f}"
        )
    if "projection_compiled" in measured:
        ratio = measured["projection_compiled"]["seconds"] / measured["projection"]["seconds"]
        found.append(f"projection and loss with `--loss-backend compiled`: {ratio:.2f} × the time of `eager`")
    if all(kind in measured for kind in projection.CHUNKS):
        times = (f"{measured[kind]['seconds']:.3f} s with {size:,}" for kind, size in projection.CHUNKS.items())
        found.append(f"softmax of a teacher's logits, by probabilities per chunk: {', '.join(times)}")
    return found


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
    """Measure all steps and the parts of the loss, and write the report."""
    names = [*ALL_STEPS, *projection.measurements()]
    common.run("recipes.benchmarks.train_step", parse(), names, measure, conclude)


if __name__ == "__main__":
    main()
