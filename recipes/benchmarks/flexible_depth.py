"""One update of multi-task flexible depth: Algorithm 1 as it is written, and this package's ways of doing it.

    python -m recipes.benchmarks.flexible_depth

12 encoder and 6 decoder layers, all 24 tasks of the divisor depths, Optimal sub-networks; each way runs in a process of
its own. See recipes/benchmarks/README.md.
"""

import argparse
import json
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from torch import nn

from fairseq_flexdepth.depth.space import DepthSpace, parse_depths
from fairseq_flexdepth.depth.subnetworks import assign_subnetworks
from recipes.benchmarks import build, common
from recipes.benchmarks.update import add_repeat_options, measure_update

EPSILON = 0.1
ENCODER_LAYERS, DECODER_LAYERS = 12, 6
SPACE = DepthSpace(parse_depths("divisors", ENCODER_LAYERS, ""), parse_depths("divisors", DECODER_LAYERS, ""))
FLEXIBLE = ["--subnetworks", "optimal", "--encoder-depths", "divisors", "--decoder-depths", "divisors"]
WAYS = {
    "algorithm_1": "Algorithm 1: 24 passes through stock fairseq layers",
    "stacked": "fairseq_flexdepth",
    "accumulated": "fairseq_flexdepth, `--accumulate-depths`",
    **{f"sample_{m}": f"fairseq_flexdepth, the {m} decoder layers drawn" for m in SPACE.decoder},
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_common_options(parser)
    build.add_batch_options(parser, vocabulary=10_000)
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--ffn-dim", type=int, default=1024)
    parser.add_argument("--dropout", type=float, default=0.1)
    add_repeat_options(parser)
    return parser.parse_args()


def model_of(arch: str, options: List[str], args: argparse.Namespace) -> Any:
    sizes = {
        "--encoder-layers": ENCODER_LAYERS,
        "--decoder-layers": DECODER_LAYERS,
        "--encoder-embed-dim": args.embed_dim,
        "--encoder-ffn-embed-dim": args.ffn_dim,
        "--dropout": args.dropout,
    }
    given = [str(part) for size in sizes.items() for part in size]
    pre_norm = ["--encoder-normalize-before", "--decoder-normalize-before"]
    command = ["--arch", f"{arch}_iwslt_de_en", "--share-decoder-input-output-embed", *given, *pre_norm, *options]
    return build.training_model(command, args)


def algorithm_1(args: argparse.Namespace) -> Tuple[Any, Callable[[], float]]:
    """For every task: pick its layers, feed the batch through, propagate back, collect."""
    model, sample = model_of("transformer", [], args), build.batch(args)
    stacks = [list(model.encoder.layers), list(model.decoder.layers)]
    encoder = assign_subnetworks("optimal", ENCODER_LAYERS, SPACE.encoder)
    decoder = assign_subnetworks("optimal", DECODER_LAYERS, SPACE.decoder)

    def gradients() -> float:
        total = 0.0
        for n, m in SPACE.pairs:
            model.encoder.layers = nn.ModuleList(stacks[0][position - 1] for position in encoder[n])
            model.decoder.layers = nn.ModuleList(stacks[1][position - 1] for position in decoder[m])
            lprobs = model.get_normalized_probs(model(**sample["net_input"]), log_probs=True)
            lprobs, target = lprobs.view(-1, lprobs.size(-1)), sample["target"].view(-1)
            loss = label_smoothed_nll_loss(lprobs, target, EPSILON, ignore_index=build.PAD)[0]
            loss = loss / sample["ntokens"] / len(SPACE.pairs)
            loss.backward()
            total += loss.item()
        model.encoder.layers, model.decoder.layers = (nn.ModuleList(stack) for stack in stacks)
        return total

    return model, gradients


def ours(args: argparse.Namespace, accumulate: bool, decoder_depth: Optional[int]) -> Tuple[Any, Callable[[], float]]:
    """All tasks, or those of one decoder depth."""
    model, sample = model_of("tied_multi_transformer", FLEXIBLE, args), build.batch(args)
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


def measure(way: str, args: argparse.Namespace) -> Dict[str, Any]:
    if way == "algorithm_1":
        return measure_update(way, lambda: algorithm_1(args), args)
    drawn = int(way.split("_")[1]) if way.startswith("sample") else None
    return measure_update(way, lambda: ours(args, way == "accumulated", drawn), args)


def compare(measured: Dict[str, Dict[str, Any]]) -> Dict[str, float]:
    """The figures that have targets, and those that must be nothing."""
    reference, stacked, accumulated = (measured[way] for way in ("algorithm_1", "stacked", "accumulated"))
    drawn = [measured[way]["seconds"] for way in WAYS if way.startswith("sample")]
    differences = {
        f"{way}_{figure}_difference": abs(measured[way][figure] / reference[figure] - 1)
        for way in ("stacked", "accumulated")
        for figure in ("loss", "gradient_norm")
    }
    return {
        "time": stacked["seconds"] / reference["seconds"],
        "accumulated_time": accumulated["seconds"] / reference["seconds"],
        "accumulated_memory": accumulated["peak_mib"] / reference["peak_mib"],
        "one_decoder_depth": sum(drawn) / len(drawn) / stacked["seconds"],
        **differences,
    }


def table(measured: Dict[str, Dict[str, Any]], compared: Dict[str, float], args: argparse.Namespace) -> str:
    reference = measured["algorithm_1"]
    rows = [
        [name, f"{step['seconds']:.2f}", f"{step['seconds'] / reference['seconds']:.2f}"]
        + [f"{step['peak_mib']:,.0f}", f"{step['peak_mib'] / reference['peak_mib']:.2f}"]
        for name, step in ((name, measured[way]) for way, name in WAYS.items())
    ]
    header = ["one update", "seconds", "× Algorithm 1", "peak MiB", "× Algorithm 1"]
    return "\n".join(
        [
            f"{ENCODER_LAYERS}×{DECODER_LAYERS} layers, {len(SPACE.pairs)} tasks, d {args.embed_dim}, "
            f"ffn {args.ffn_dim}, vocabulary {args.vocabulary:,}, {args.sentences} × {args.length} target tokens, "
            f"fp32, dropout {args.dropout}, Pre-LN, median of {args.repeats} updates.",
            "",
            common.markdown_table(header, rows),
            "",
            f"- time of all tasks against Algorithm 1: {common.reached(compared['time'], 0.6)}",
            f"- memory with `--accumulate-depths`: {common.reached(compared['accumulated_memory'], 1.2)}",
            f"- one decoder depth drawn, the mean of four: {common.reached(compared['one_decoder_depth'], 0.42)}",
        ]
    )


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    if args.measure:
        print(json.dumps(measure(args.measure, args)))
        return
    measured = {way: common.in_child("recipes.benchmarks.flexible_depth", way, sys.argv[1:]) for way in WAYS}
    compared = compare(measured)
    for name, difference in compared.items():
        if name.endswith("difference") and difference > 1e-5:
            raise SystemExit(f"{name} from Algorithm 1: {difference:.2e}, expected at most 1e-5")
    result = {**common.report(args), "measured": measured, "compared": compared}
    common.write_results(args.results, f"flexible_depth-{args.device}", result, table(measured, compared, args))


if __name__ == "__main__":
    main()
