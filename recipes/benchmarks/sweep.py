"""Compare ``sweep`` with one ``fairseq-generate`` run per depth pair.

    python -m recipes.benchmarks.sweep

Whole commands on invented text, with random weights. See recipes/benchmarks/README.md.
"""

import json
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from fairseq_flexdepth.files.text import read_lines
from recipes.benchmarks import build, commands, common
from recipes.benchmarks.selection import Bench
from recipes.common.generate_log import parse_generate_log
from recipes.common.markdown import markdown_table

BATCHES = ("--max-tokens", 4000)


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    parser.set_defaults(vocabulary=8000)
    parser.add_argument("--decoded", type=int, default=1000, help="sentences to decode")
    parser.add_argument("--beam", type=int, default=4)
    return parser.parse_args()


def timed(command: str, *options: Any) -> Tuple[Dict[str, float], str]:
    """Run a command.

    Returns:
        Its wall-clock seconds (``whole``), CPU seconds (``cpu``) and the load by other processes (``other_load``); and
        its output.
    """
    run = commands.run(command, *options)
    return {"whole": run.seconds, "cpu": run.cpu, "other_load": run.other_load}, run.output


def measure(name: str, args: Namespace) -> Dict[str, Any]:
    """Measure in a temporary folder; *name* is the only measurement, ``sweep``."""
    with tempfile.TemporaryDirectory() as folder:
        return measure_in(Path(folder), args)


def measure_in(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Time the whole commands, and beam search as each ``fairseq-generate`` reports it.

    The seconds per depth in ``sweep.json`` are not used: each includes the encoder, which ran once for many depths.
    """
    bench = Bench(folder, args, args.layers, args.vocabulary, args.decoded)
    output = folder / "sweep"
    whole, _ = timed("fairseq-flexdepth", "sweep", *bench.options, *BATCHES, "--output", output)
    rows = json.loads((output / "sweep.json").read_text(encoding="utf-8"))
    common.progress(f"sweep: {whole['whole']:.1f} s, {whole['cpu']:.1f} CPU seconds")
    separate: List[Dict[str, Any]] = []
    for row in rows:
        depth = ("--enc-layers", row["enc_layers"], "--dec-layers", row["dec_layers"])
        run, printed = timed("fairseq-generate", *bench.options, "--user-dir", commands.PLUGIN, *BATCHES, *depth)
        log = parse_generate_log(printed)
        same = log.hypotheses == read_lines(str(output / row["translations"]), "translations")
        separate.append({"depth": depth[1::2], **run, "decoding": log.decoding, "same_translations": same})
        common.progress(f"fairseq-generate at {depth[1::2]}: {run['whole']:.1f} s, {run['cpu']:.1f} CPU seconds")
    sums = {key: sum(run[key] for run in separate) for key in ("whole", "cpu", "decoding")}
    ratios = {key: whole[key] / sums[key] for key in ("whole", "cpu")}
    return {"sweep": whole, "separate": separate, "separate_sums": sums, "ratios": ratios}


def loads_of(runs: Sequence[Dict[str, Any]]) -> List[float]:
    """The loads by other processes during these runs, which older results lack."""
    return [run["other_load"] for run in runs if "other_load" in run]


def table(measured: Dict[str, Any], args: Namespace) -> str:
    """Return the report as Markdown."""
    runs, ratios = len(measured["separate"]), measured["ratios"]
    same = sum(run["same_translations"] for run in measured["separate"])
    outside = measured["separate_sums"]["whole"] - measured["separate_sums"]["decoding"]
    rows = [
        [name, *(f"{measured[key][part]:.1f}" for part in ("whole", "cpu"))]
        for name, key in (
            ("`sweep`, all depths", "sweep"), (f"{runs} runs of `fairseq-generate`", "separate_sums")
        )
    ]  # fmt: skip
    return common.page(
        f"{args.layers}×{args.layers}, d {args.embed_dim}, ffn {args.ffn_dim}, V {args.vocabulary:,}, beam "
        f"{args.beam}, fp32; {args.decoded:,} sentences of {args.length // 4} to "
        f"{2 * args.length - args.length // 4} words.",
        markdown_table(["", "seconds, start-up included", "CPU seconds"], rows),
        [
            f"time of `sweep` relative to the separate runs: {common.reached(ratios['whole'], 0.75)}; in CPU seconds "
            f"{ratios['cpu']:.3g}",
            f"seconds of the separate runs outside beam search: {outside:.1f}",
            f"the same translations at {same} of {runs} depth pairs",
            *common.load_finding(loads_of([measured["sweep"], *measured["separate"]])),
        ],
    )


def conclude(results: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    measured = results["sweep"]
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"sweep-{args.device}", result, table(measured, args))


def main() -> None:
    """Measure and write the report."""
    common.run("recipes.benchmarks.sweep", parse(), ["sweep"], measure, conclude)


if __name__ == "__main__":
    main()
