"""Decoding at (n, m): this package against a stock fairseq model that physically has n and m layers.

    python -m recipes.benchmarks.decode

Both hold the same random weights and decode the same batches in one process, in turns, through fairseq's own beam
search. See recipes/benchmarks/README.md.
"""

import argparse
import json
import sys
from argparse import Namespace
from functools import partial
from statistics import median
from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.dataclass.configs import FairseqConfig, GenerationConfig

from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from recipes.benchmarks import build, common

TARGET = 0.97


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_common_options(parser)
    build.add_size_options(parser)
    parser.add_argument("--depths", default="1,1 6,1 6,6", help="pairs of encoder and decoder depth")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--max-len-b", type=int, default=24, help="tokens a hypothesis: random weights seldom end")
    parser.add_argument("--repeats", type=int, default=15, help="turns, of whose ratios the median counts")
    return parser.parse_args()


def pair_of_models(n: int, m: int, args: Namespace) -> Tuple[Any, Any]:
    """Our model at depth (n, m), and fairseq's own of that size with the same weights."""
    task = build.translation_task(args.vocabulary)
    ours = build.build_model(task, "tied_multi_transformer", args, args.layers, args.layers)
    ours.set_depth(n, m)
    stock = build.build_model(task, "transformer", args, n, m)
    weights = ours.state_dict()
    stock.load_state_dict({key: weights[key] for key in stock.state_dict()}, strict=True)
    return ours, stock


def decoder(task: Any, model: Any, args: Namespace) -> Callable[[Dict[str, Any]], List]:
    """The model's decoding of a batch, set up as ``fairseq-generate`` does."""
    config = FairseqConfig(generation=GenerationConfig(beam=args.beam, max_len_b=args.max_len_b))
    model.prepare_for_inference_(config)
    generator = task.build_generator([model], config.generation)
    return lambda sample: task.inference_step(generator, [model], sample)


def largest_difference(ours: List, stock: List) -> float:
    """The largest difference between scores; infinite where a hypothesis differs in its tokens."""
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
    return "\n".join(
        [
            f"Model of {args.layers}×{args.layers} layers, d {args.embed_dim}, vocabulary {args.vocabulary:,}, "
            f"random weights; {args.sentences} sentences of {args.length} tokens, beam {args.beam}, at most "
            f"{args.max_len_b} tokens; median of {args.repeats} turns.",
            "",
            common.markdown_table(header, rows),
        ]
    )


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    if args.measure:
        print(json.dumps(measure(args.measure, args)))
        return
    measured = [common.in_child("recipes.benchmarks.decode", pair, sys.argv[1:]) for pair in args.depths.split()]
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"decode-{args.device}", result, table(measured, args))
    if any(pair["largest_score_difference"] == float("inf") for pair in measured):
        raise SystemExit("hypotheses differ")


if __name__ == "__main__":
    main()
