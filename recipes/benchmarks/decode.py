"""Decode at (n, m) with this package and with a stock fairseq model that has n encoder and m decoder layers.

    python -m recipes.benchmarks.decode

Both models have the same random weights. One process decodes the same batches with both in turns, by fairseq's own beam
search. See recipes/benchmarks/README.md.
"""

from argparse import Namespace
from functools import partial
from statistics import median
from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.dataclass.configs import FairseqConfig, GenerationConfig

from fairseq_flexdepth.protocols import Hypotheses, Sample
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from recipes.benchmarks import build, common
from recipes.common.markdown import markdown_table

TARGET = 0.97


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    parser.add_argument("--depths", default="1,1 6,1 6,6", help="depth pairs (encoder, decoder)")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--max-len-b", type=int, default=24, help="tokens per hypothesis (random weights seldom end)")
    parser.add_argument("--repeats", type=int, default=15, help="turns; the median of their ratios is reported")
    return parser.parse_args()


def pair_of_models(n: int, m: int, args: Namespace) -> Tuple[Any, Any]:
    """Return our model at depth pair (n, m), and fairseq's model of n and m layers with the same weights."""
    task = build.translation_task(args.vocabulary)
    ours = build.build_model(task, "tied_multi_transformer", args, args.layers, args.layers)
    ours.set_depth(n, m)
    stock = build.build_model(task, "transformer", args, n, m)
    weights = ours.state_dict()
    stock.load_state_dict({key: weights[key] for key in stock.state_dict()}, strict=True)
    return ours, stock


def decoder(task: Any, model: Any, args: Namespace) -> Callable[[Sample], List[Hypotheses]]:
    """Return the function that decodes a batch with a model, set up as ``fairseq-generate`` does."""
    config = FairseqConfig(generation=GenerationConfig(beam=args.beam, max_len_b=args.max_len_b))
    model.prepare_for_inference_(config)
    generator = task.build_generator([model], config.generation)
    return lambda sample: task.inference_step(generator, [model], sample)


def largest_difference(ours: List[Hypotheses], stock: List[Hypotheses]) -> float:
    """Return the largest difference between scores; infinity if any hypothesis has other tokens."""
    largest = 0.0
    for our_beam, stock_beam in zip(ours, stock):
        if len(our_beam) != len(stock_beam):
            return float("inf")
        for one, other in zip(our_beam, stock_beam):
            if not torch.equal(one["tokens"], other["tokens"]):
                return float("inf")
            largest = max(largest, (one["positional_scores"] - other["positional_scores"]).abs().max().item())
    return largest


def measure(pair: str, args: Namespace) -> Dict[str, Any]:
    """Decode in turns at one depth pair, ``N,M``."""
    n, m = map(int, pair.split(","))
    our_model, stock_model = pair_of_models(n, m, args)
    stock_task = build.translation_task(args.vocabulary)
    words = stock_task.source_dictionary
    config = FlexDepthTranslationConfig(source_lang="a", target_lang="b", enc_layers=n, dec_layers=m)
    decode_ours = decoder(FlexDepthTranslationTask(config, words, words), our_model, args)
    decode_stock = decoder(stock_task, stock_model, args)
    sample = build.batch(args)
    difference = largest_difference(decode_ours(sample), decode_stock(sample))
    ours, stock = common.Timer(args.device), common.Timer(args.device)
    for repeat in range(args.repeats):
        turn = [(ours, decode_ours), (stock, decode_stock)]
        for timer, decode in turn if repeat % 2 else reversed(turn):
            timer(partial(decode, sample))
        common.progress(f"({pair}) ours {ours.seconds[-1]:.3f} s, stock {stock.seconds[-1]:.3f} s")
    ratios = [other / own for own, other in zip(ours.seconds, stock.seconds)]
    return {
        "encoder_layers": n,
        "decoder_layers": m,
        "ours_sentences_per_second": args.sentences / median(ours.seconds),
        "stock_sentences_per_second": args.sentences / median(stock.seconds),
        "ratio": median(ratios),
        "all_ratios": ratios,
        "largest_score_difference": difference,
        "other_load": median(ours.other_load + stock.other_load),
    }


def table(measured: List[Dict[str, Any]], args: Namespace) -> str:
    """Return the report as Markdown."""
    rows = []
    for pair in measured:
        same = pair["largest_score_difference"]
        rows.append(
            [f"({pair['encoder_layers']}, {pair['decoder_layers']})"]
            + [f"{pair[f'{whose}_sentences_per_second']:.2f}" for whose in ("ours", "stock")]
            + [common.reached(pair["ratio"], TARGET, at_least=True)]
            + ["differ" if same == float("inf") else f"the same, scores to {same:.1g}"]
        )
    header = ["(n, m)", "ours, sentences/s", "stock n and m layers, sentences/s", "ratio", "hypotheses"]
    return common.page(
        f"Model of {args.layers}×{args.layers} layers, d {args.embed_dim}, vocabulary {args.vocabulary:,}, "
        f"random weights; {args.sentences} sentences of {args.length} tokens, beam {args.beam}, at most "
        f"{args.max_len_b} tokens; median of {args.repeats} turns.",
        markdown_table(header, rows),
    )


def conclude(results: Dict[str, Any], args: Namespace) -> None:
    """Write the report.

    Raises:
        SystemExit: the two models' hypotheses differ.
    """
    measured = list(results.values())
    common.write_results(
        args.results, f"decode-{args.device}", {**common.report(args), "measured": measured}, table(measured, args)
    )
    if any(pair["largest_score_difference"] == float("inf") for pair in measured):
        raise SystemExit("hypotheses differ")


def main() -> None:
    """Measure every depth pair and write the report."""
    args = parse()
    common.run("recipes.benchmarks.decode", args, args.depths.split(), measure, conclude)


if __name__ == "__main__":
    main()
