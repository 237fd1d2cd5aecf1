"""``sweep`` of a model against as many ``fairseq-generate`` runs as it has depth pairs.

    python -m recipes.benchmarks.sweep

Whole command lines on made-up text, with random weights. See recipes/benchmarks/README.md.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

from fairseq_flexdepth.files.text import read_lines
from recipes.benchmarks import build, commands, common
from recipes.benchmarks.selection import Bench
from recipes.common.generate_log import parse_generate_log

BATCHES = ("--max-tokens", 4000)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_common_options(parser)
    build.add_size_options(parser)
    parser.set_defaults(vocabulary=8000)
    parser.add_argument("--decoded", type=int, default=1000, help="sentences")
    parser.add_argument("--beam", type=int, default=4)
    return parser.parse_args()


def timed(command: str, *options: Any) -> Tuple[Dict[str, float], str]:
    """Seconds of a whole command and of the processors meanwhile, which other processes disturb less; its output."""
    before = os.times()
    seconds, printed = commands.run(command, *options)
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return {"whole": seconds, "cpu": cpu}, printed


def measure(folder: Path, args: argparse.Namespace) -> Dict[str, Any]:
    """Seconds of the whole commands, and of beam search as each fairseq-generate counts it.

    What ``sweep`` reports as a depth's seconds holds its share of the encoder, which ran once for many depths: the sum
    of these is no time that passed.
    """
    bench = Bench(folder, args, args.layers, args.vocabulary, args.decoded)
    output = folder / "sweep"
    whole, _ = timed("fairseq-flexdepth", "sweep", *bench.options, *BATCHES, "--output", output)
    rows = json.loads((output / "sweep.json").read_text(encoding="utf-8"))
    common.progress(f"sweep: {whole['whole']:.1f} s, {whole['cpu']:.1f} s of the processors")
    separate: List[Dict[str, Any]] = []
    for row in rows:
        depth = ("--enc-layers", row["enc_layers"], "--dec-layers", row["dec_layers"])
        run, printed = timed("fairseq-generate", *bench.options, "--user-dir", commands.PLUGIN, *BATCHES, *depth)
        log = parse_generate_log(printed)
        same = log.hypotheses == read_lines(str(output / row["translations"]), "translations")
        separate.append({"depth": depth[1::2], **run, "decoding": log.decoding, "same_translations": same})
        common.progress(f"fairseq-generate at {depth[1::2]}: {run['whole']:.1f} s ({run['cpu']:.1f} of the processors)")
    sums = {key: sum(run[key] for run in separate) for key in ("whole", "cpu", "decoding")}
    ratios = {key: whole[key] / sums[key] for key in whole}
    return {"sweep": whole, "separate": separate, "separate_sums": sums, "ratios": ratios}


def table(measured: Dict[str, Any], args: argparse.Namespace) -> str:
    runs, ratios = len(measured["separate"]), measured["ratios"]
    same = sum(run["same_translations"] for run in measured["separate"])
    outside = measured["separate_sums"]["whole"] - measured["separate_sums"]["decoding"]
    rows = [
        [name, *(f"{measured[key][part]:.1f}" for part in ("whole", "cpu"))]
        for name, key in (
            ("`sweep`, all depths", "sweep"), (f"{runs} runs of `fairseq-generate`", "separate_sums")
        )
    ]  # fmt: skip
    return "\n".join(
        [
            f"{args.layers}×{args.layers}, d {args.embed_dim}, ffn {args.ffn_dim}, V {args.vocabulary:,}, beam "
            f"{args.beam}, fp32; {args.decoded:,} sentences of {args.length // 4} to "
            f"{2 * args.length - args.length // 4} words.",
            "",
            common.markdown_table(["", "seconds, start-up included", "of the processors"], rows),
            "",
            f"- `sweep`'s seconds, as a share of the separate runs': {common.reached(ratios['whole'], 0.75)}; of the "
            f"processors' seconds {ratios['cpu']:.3g}",
            f"- of the separate runs' seconds, those outside beam search: {outside:.1f}",
            f"- the same translations at {same} of {runs} depths",
        ]
    )


def main() -> None:
    args = parse()
    if args.measure:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), args)))
        return
    measured = common.in_child("recipes.benchmarks.sweep", "sweep", sys.argv[1:])
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"sweep-{args.device}", result, table(measured, args))


if __name__ == "__main__":
    main()
