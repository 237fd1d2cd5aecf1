"""Compare one update of multi-task flexible depth in this package with [wang2020] Algorithm 1 as written.

    python -m recipes.benchmarks.flexible_depth

12 encoder and 6 decoder layers, all 24 tasks of the divisor depths, Optimal sub-networks; each method runs in a process
of its own. See recipes/benchmarks/README.md.
"""

from argparse import Namespace
from typing import Any, Dict, List, Optional, Tuple

from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from torch import nn

from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks
from fairseq_flexdepth.depth.supported_depths import DepthSpace, parse_depths
from recipes.benchmarks import build, common, multiply_adds
from recipes.benchmarks.update import FormGradients, add_repeat_options, measure_update
from recipes.common.markdown import markdown_table

EPSILON = 0.1
ENCODER_LAYERS, DECODER_LAYERS = 12, 6
SPACE = DepthSpace(parse_depths("divisors", ENCODER_LAYERS, ""), parse_depths("divisors", DECODER_LAYERS, ""))
FLEXIBLE = ["--subnetworks", "optimal", "--encoder-depths", "divisors", "--decoder-depths", "divisors"]
METHODS = {
    "algorithm_1": "Algorithm 1: 24 passes through stock fairseq layers",
    "stacked": "fairseq_flexdepth",
    "accumulated": "fairseq_flexdepth, `--accumulate-depths`",
    **{f"sample_{m}": f"fairseq_flexdepth, decoder depth {m} sampled" for m in SPACE.decoder},
}


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_batch_options(parser, vocabulary=10_000)
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--ffn-dim", type=int, default=1024)
    parser.add_argument("--dropout", type=float, default=0.1)
    add_repeat_options(parser)
    return parser.parse_args()


def build_model(arch: str, options: List[str], args: Namespace) -> Any:
    """Build a Pre-LN model of 12 and 6 layers with more *options* of ``fairseq-train``."""
    sizes = {
        "--encoder-layers": ENCODER_LAYERS,
        "--decoder-layers": DECODER_LAYERS,
        **{f"--{side}-embed-dim": args.embed_dim for side in ("encoder", "decoder")},
        **{f"--{side}-ffn-embed-dim": args.ffn_dim for side in ("encoder", "decoder")},
        "--dropout": args.dropout,
    }
    given = [str(part) for size in sizes.items() for part in size]
    pre_norm = ["--encoder-normalize-before", "--decoder-normalize-before"]
    command = ["--arch", f"{arch}_iwslt_de_en", "--share-decoder-input-output-embed", *given, *pre_norm, *options]
    return build.training_model(command, args)


def subnetworks() -> Tuple[Dict[int, Tuple[int, ...]], Dict[int, Tuple[int, ...]]]:
    """The layers of each encoder depth, and of each decoder depth."""
    return (
        assign_subnetworks("optimal", ENCODER_LAYERS, SPACE.encoder),
        assign_subnetworks("optimal", DECODER_LAYERS, SPACE.decoder),
    )


def multiply_adds_ratio(args: Namespace) -> float:
    """The multiply-adds of our update of all tasks, relative to Algorithm 1."""
    encoder, decoder = (list(side.values()) for side in subnetworks())
    return multiply_adds.together(args, encoder, decoder) / multiply_adds.one_by_one(args, encoder, decoder)


def algorithm_1(args: Namespace) -> Tuple[Any, FormGradients]:
    """Return a stock model, and a function that forms its gradients by Algorithm 1, task by task."""
    model, sample = build_model("transformer", [], args), build.batch(args)
    stacks = [list(model.encoder.layers), list(model.decoder.layers)]
    encoder, decoder = subnetworks()

    def gradients() -> float:
        total = 0.0
        for n, m in SPACE.pairs:
            model.encoder.layers = nn.ModuleList(stacks[0][position - 1] for position in encoder[n])
            model.decoder.layers = nn.ModuleList(stacks[1][position - 1] for position in decoder[m])
            lprobs = model.get_normalized_probs(model(**sample["net_input"]), log_probs=True)
            lprobs = lprobs.view(-1, lprobs.size(-1))  # (batch · length) × vocabulary
            target = sample["target"].view(-1)  # batch · length
            loss = label_smoothed_nll_loss(lprobs, target, EPSILON, ignore_index=build.PAD)[0]
            loss = loss / sample["ntokens"] / len(SPACE.pairs)
            loss.backward()
            total += loss.item()
        model.encoder.layers, model.decoder.layers = (nn.ModuleList(stack) for stack in stacks)
        return total

    return model, gradients


def ours(args: Namespace, accumulate: bool, decoder_depth: Optional[int]) -> Tuple[Any, FormGradients]:
    """Return our model, and a function that forms its gradients: of all tasks, or of the tasks of one decoder depth."""
    model, sample = build_model("tied_multi_transformer", FLEXIBLE, args), build.batch(args)
    depths = SPACE if decoder_depth is None else DepthSpace(SPACE.encoder, (decoder_depth,))

    def gradients() -> float:
        losses = model(
            **sample["net_input"],
            target=sample["target"],
            label_smoothing=EPSILON,
            depths=depths,
            accumulate=accumulate,
        )
        loss = losses["loss"] / sample["ntokens"]
        loss.backward()
        return loss.item()

    return model, gradients


def measure(method: str, args: Namespace) -> Dict[str, Any]:
    """Measure an update with one of METHODS."""
    if method == "algorithm_1":
        return measure_update(method, lambda: algorithm_1(args), args)
    drawn = int(method.split("_")[1]) if method.startswith("sample") else None
    return measure_update(method, lambda: ours(args, method == "accumulated", drawn), args)


def compare(measured: Dict[str, Dict[str, Any]], args: Namespace) -> Dict[str, float]:
    """Return the ratios that have targets, and the differences of losses and gradients, which should be near 0."""
    reference, stacked, accumulated = (measured[method] for method in ("algorithm_1", "stacked", "accumulated"))
    drawn = [measured[method]["seconds"] for method in METHODS if method.startswith("sample")]
    differences = {
        f"{method}_{figure}_difference": abs(measured[method][figure] / reference[figure] - 1)
        for method in ("stacked", "accumulated")
        for figure in ("loss", "gradient_norm")
    }
    return {
        "time": stacked["seconds"] / reference["seconds"],
        "multiply_adds": multiply_adds_ratio(args),
        "accumulated_time": accumulated["seconds"] / reference["seconds"],
        "accumulated_memory": accumulated["peak_mib"] / reference["peak_mib"],
        "one_decoder_depth": sum(drawn) / len(drawn) / stacked["seconds"],
        **differences,
    }


def table(measured: Dict[str, Dict[str, Any]], compared: Dict[str, float], args: Namespace) -> str:
    """Return the report as Markdown."""
    reference = measured["algorithm_1"]
    rows = [
        [name, f"{step['seconds']:.2f}", f"{step['seconds'] / reference['seconds']:.2f}"]
        + [f"{step['peak_mib']:,.0f}", f"{step['peak_mib'] / reference['peak_mib']:.2f}"]
        for name, step in ((name, measured[method]) for method, name in METHODS.items())
    ]
    # Older results were measured when runs shared less.
    counted = f"; the multiply-adds alone: {compared['multiply_adds']:.3f}" if "multiply_adds" in compared else ""
    header = ["one update", "seconds", "× Algorithm 1", "peak MiB", "× Algorithm 1"]
    return common.page(
        f"{ENCODER_LAYERS}×{DECODER_LAYERS} layers, {len(SPACE.pairs)} tasks, d {args.embed_dim}, "
        f"ffn {args.ffn_dim}, vocabulary {args.vocabulary:,}, {args.sentences} × {args.length} target tokens, "
        f"fp32, dropout {args.dropout}, Pre-LN, median of {args.repeats} updates.",
        markdown_table(header, rows),
        [
            f"time of all tasks against Algorithm 1: {common.reached(compared['time'], 0.6)}{counted}",
            f"memory with `--accumulate-depths`: {common.reached(compared['accumulated_memory'], 1.2)}",
            f"one sampled decoder depth, mean of four: {common.reached(compared['one_decoder_depth'], 0.42)}",
        ],
    )


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report.

    Raises:
        SystemExit: losses or gradients differ from Algorithm 1's.
    """
    compared = compare(measured, args)
    for name, difference in compared.items():
        if name.endswith("difference") and difference > 1e-5:
            raise SystemExit(f"{name} from Algorithm 1: {difference:.2e}, expected at most 1e-5")
    result = {**common.report(args), "measured": measured, "compared": compared}
    common.write_results(args.results, f"flexible_depth-{args.device}", result, table(measured, compared, args))


def main() -> None:
    """Measure all METHODS and write the report."""
    common.run("recipes.benchmarks.flexible_depth", parse(), list(METHODS), measure, conclude)


if __name__ == "__main__":
    main()
