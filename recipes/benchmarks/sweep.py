"""``sweep`` of a model against as many ``fairseq-generate`` runs as it has depth pairs.

    python -m recipes.benchmarks.sweep

Whole command lines on made-up text, with random weights. See recipes/benchmarks/README.md.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict

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


def measure(folder: Path, args: argparse.Namespace) -> Dict[str, Any]:
    """Seconds of the whole commands, and of beam search as each command counts it."""
    bench = Bench(folder, args, args.layers, args.vocabulary, args.decoded)
    output = folder / "sweep"
    whole, _ = commands.run("fairseq-flexdepth", "sweep", *bench.options, *BATCHES, "--output", output)
    rows = json.loads((output / "sweep.json").read_text(encoding="utf-8"))
    common.progress(f"sweep: {whole:.1f} s")
    separate = []
    for row in rows:
        n, m = row["enc_layers"], row["dec_layers"]
        seconds, printed = bench.generate(*BATCHES, "--enc-layers", n, "--dec-layers", m)
        log = parse_generate_log(printed)
        same = log.hypotheses == (output / row["translations"]).read_text(encoding="utf-8").splitlines()
        separate.append({"pair": [n, m], "whole": seconds, "decoding": log.decoding, "same_translations": same})
        common.progress(f"fairseq-generate at ({n}, {m}): {seconds:.1f} s, decoding {log.decoding:.1f} s")
    sums = {key: sum(run[key] for run in separate) for key in ("whole", "decoding")}
    decoding = sum(row["seconds"] for row in rows)
    return {
        "sweep": {"whole": whole, "decoding": decoding},
        "separate": separate,
        "separate_sums": sums,
        "ratio": whole / sums["whole"],
        "decoding_ratio": decoding / sums["decoding"],
    }


def table(measured: Dict[str, Any], args: argparse.Namespace) -> str:
    sweep, separate = measured["sweep"], measured["separate_sums"]
    runs = len(measured["separate"])
    same = sum(run["same_translations"] for run in measured["separate"])
    rows = [
        ["`sweep`, all depths", f"{sweep['whole']:.1f}", f"{sweep['decoding']:.1f}"],
        [f"{runs} runs of `fairseq-generate`", f"{separate['whole']:.1f}", f"{separate['decoding']:.1f}"],
    ]
    return "\n".join(
        [
            f"{args.layers}×{args.layers}, d {args.embed_dim}, ffn {args.ffn_dim}, V {args.vocabulary:,}, beam "
            f"{args.beam}, fp32; {args.decoded:,} sentences of {args.length // 4} to "
            f"{2 * args.length - args.length // 4} words.",
            "",
            common.markdown_table(["", "seconds, start-up included", "of which decoding"], rows),
            "",
            f"- `sweep` costs {common.reached(measured['ratio'], 0.75)} of the separate runs; of their decoding alone "
            f"{measured['decoding_ratio']:.3g}",
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
