"""Compare the engines of ``distill`` and ``sweep``: fairseq's search and CTranslate2's.

    python -m recipes.benchmarks.engines

``distill``'s teachers decode the same batches in turns, in one process. Whole commands, start-up included:
``distill --engine ctranslate2`` against ``fairseq-generate`` in turns, and ``sweep --engine ctranslate2`` against one
``fairseq-generate`` per depth pair. All with one thread. Invented text, random weights; all translations are equally
long. See recipes/benchmarks/README.md.
"""

import tempfile
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any, Dict, List

import torch
from fairseq import checkpoint_utils

from fairseq_flexdepth.cli.engines import EngineChoice, check_engine
from fairseq_flexdepth.cli.fairseq_options import parse_generation_options, quiet
from fairseq_flexdepth.corpus.split import Split
from recipes.benchmarks import build, commands, common
from recipes.benchmarks.selection import Bench
from recipes.benchmarks.sweep import BATCHES, loads_of, timed
from recipes.common.markdown import markdown_table

KINDS = ("distill", "commands", "sweep")
SYSTEMS = ("fairseq", "float32", "int8")  # the last two: weight types of CTranslate2
ENGINE = ("--engine", "ctranslate2")


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    parser.set_defaults(vocabulary=8000, threads=1)
    parser.add_argument("--decoded", type=int, default=1000, help="sentences that sweep decodes")
    parser.add_argument("--distilled", type=int, default=300, help="sentences that distill decodes per turn")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3, help="turns of distill; the median is reported")
    return parser.parse_args()


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure one of KINDS, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        measures = {"distill": measure_distill, "commands": measure_commands, "sweep": measure_sweep}
        return measures[kind](Path(folder), args)


def decoding_options(folder: Path, args: Namespace, sentences: int) -> List[Any]:
    """Write data and a model; return the options of decoding.

    Random weights would never end a sentence: a constant length gives both engines the same work. Its last word is the
    end symbol, since ``distill`` drops what is cut off at the greatest length.
    """
    more = ("--decoder-learned-pos", "--encoder-normalize-before", "--decoder-normalize-before", "--lr", "0")
    bench = Bench(folder, args, args.layers, args.vocabulary, sentences, more)
    end_after(args.length, bench.checkpoint)
    kept = [option for option in bench.options if option != "--match-source-len"]
    return [*kept, "--max-len-b", 2 * args.length, *BATCHES]


def end_after(words: int, path: Path) -> None:
    """Let all translations of a new Pre-LN model with learned positions end after so many words.

    The next position has a large embedding in a direction of its own, which the residual connections keep and which the
    end symbol's row of the projection detects.
    """
    checkpoint = checkpoint_utils.load_checkpoint_to_cpu(str(path))
    weights = checkpoint["model"]
    bias = weights["decoder.layer_norm.bias"].fill_(1.0)  # channels: the features then sum to the number of channels
    direction = torch.ones_like(bias)
    direction[::2] = -1.0
    weights["decoder.embed_positions.weight"][build.PAD + 1 + words] = 1000.0 * direction
    weights["decoder.output_projection.weight"][build.EOS] = direction - 0.7  # 0.3 · channels there, elsewhere below 0
    torch.save(checkpoint, path)


def teacher_of(system: str, options: List[Any]) -> Any:
    """The teacher of a system, and the batches, as ``distill`` sets them up."""
    engine, quantization = ("fairseq", None) if system == "fairseq" else ("ctranslate2", system)
    chosen = Namespace(engine=engine, quantization=quantization, inter_threads=None, intra_threads=None)
    with quiet():
        check_engine(chosen)
        config = parse_generation_options(list(map(str, options)), "distill", engine)
        choice = EngineChoice(chosen, config)
        split = Split(config)
        return choice.build_teacher(split, "best"), split.batches()


def measure_distill(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Let the teachers decode the same batches at the deepest depth pair, in turns."""
    torch.set_num_threads(args.threads)
    options = decoding_options(folder, args, args.distilled)
    teachers = {system: teacher_of(system, options) for system in SYSTEMS}
    timers = {system: common.Timer(args.device) for system in SYSTEMS}
    for turn in range(args.turns + 1):
        for system in SYSTEMS if turn % 2 else reversed(SYSTEMS):
            teacher, batches = teachers[system]
            timer = timers[system] if turn else common.Timer(args.device)  # the first turn warms up
            timer(lambda: [teacher.translate(number, batch) for number, batch in enumerate(batches)])  # noqa: B023
            common.progress(f"{system}: {timer.seconds[-1]:.2f} s, other processes {timer.other_load[-1]:.0%}")
    seconds = {system: timer.seconds for system, timer in timers.items()}
    return {
        "seconds": seconds,
        "speed": {
            system: median(fairseq / own for fairseq, own in zip(seconds["fairseq"], seconds[system]))
            for system in SYSTEMS
        },
        "other_load": {system: timer.other_load for system, timer in timers.items()},
    }


def measure_commands(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Time ``distill --engine ctranslate2`` and ``fairseq-generate`` on the same sentences, in turns.

    The first turn of ``distill`` exports the model, which it keeps beside the checkpoint, and is not in the median.
    """
    options = decoding_options(folder, args, args.distilled)
    runs: Dict[str, List[Dict[str, float]]] = {"generate": [], "distill": []}
    for turn in range(args.turns + 1):
        runs["generate"].append(timed("fairseq-generate", *options, "--user-dir", commands.PLUGIN)[0])
        dest = ("--dest", folder / f"distilled{turn}")
        runs["distill"].append(timed("fairseq-flexdepth", "distill", *options, *ENGINE, *dest)[0])
        common.progress(", ".join(f"{name} {found[-1]['whole']:.1f} s" for name, found in runs.items()))
    speeds = [other["whole"] / own["whole"] for other, own in zip(runs["generate"], runs["distill"])]
    return {**runs, "speed_with_export": speeds[0], "speed": median(speeds[1:])}


def measure_sweep(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Time ``sweep --engine ctranslate2``, first with the export of all depths, and all ``fairseq-generate`` runs."""
    options = decoding_options(folder, args, args.decoded)
    given = ("fairseq-flexdepth", "sweep", *options, *ENGINE, "--overwrite", "--output", folder / "sweep")
    sweeps = []
    for kind in ("with export", "exported before"):
        sweeps.append(timed(*given)[0])
        common.progress(f"sweep {kind}: {sweeps[-1]['whole']:.1f} s, {sweeps[-1]['cpu']:.1f} CPU seconds")
    separate = []
    layers = range(1, args.layers + 1)
    for n, m in [(n, m) for n in layers for m in layers]:
        depth = ("--user-dir", commands.PLUGIN, "--enc-layers", n, "--dec-layers", m)
        separate.append(timed("fairseq-generate", *options, *depth)[0])
        common.progress(f"fairseq-generate at ({n}, {m}): {separate[-1]['whole']:.1f} s")
    sums = {key: sum(run[key] for run in separate) for key in ("whole", "cpu")}
    ratios = [{key: run[key] / sums[key] for key in sums} for run in sweeps]
    return {"sweeps": sweeps, "separate": separate, "separate_sums": sums, "ratios": ratios}


def table(measured: Dict[str, Any], args: Namespace) -> str:
    """Return the report as Markdown."""
    distill, whole, sweep = (measured[kind] for kind in KINDS)
    rows = []
    for system in SYSTEMS:
        seconds = median(distill["seconds"][system])
        name = "fairseq" if system == "fairseq" else f"CTranslate2 {system}"
        rows.append([name, f"{seconds:.2f}", f"{args.distilled / seconds:.1f}", f"{distill['speed'][system]:.2f}"])
    first, again = sweep["ratios"]
    return common.page(
        f"{args.layers}×{args.layers}, d {args.embed_dim}, ffn {args.ffn_dim}, V {args.vocabulary:,}, beam "
        f"{args.beam}, translations of {args.length} tokens. Decoding of {args.distilled:,} sentences at the deepest "
        f"depth pair, {args.threads} thread, median of {args.turns} turns:",
        markdown_table(["engine", "seconds", "sentences/s", "× fairseq"], rows),
        [
            "speed of `distill --engine ctranslate2` relative to `fairseq-generate`, whole commands, model exported "
            f"before: {common.reached(whole['speed'], 3, at_least=True)}; with the export "
            f"{whole['speed_with_export']:.3g}; search alone, in one process {distill['speed']['float32']:.3g}",
            f"time of `sweep --engine ctranslate2` ({args.decoded:,} sentences, {len(sweep['separate'])} depth pairs, "
            "export and start-up included) relative to as many runs of `fairseq-generate`: "
            f"{common.reached(first['whole'], 0.2)}; in CPU seconds {first['cpu']:.3g}",
            f"with the depths exported before: {again['whole']:.3g}; in CPU seconds {again['cpu']:.3g}",
            *common.load_finding(
                loads_of([*whole["generate"], *whole["distill"], *sweep["sweeps"], *sweep["separate"]])
            ),
        ],
    )


def conclude(results: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    result = {**common.report(args), "measured": results}
    common.write_results(args.results, f"engines-{args.device}", result, table(results, args))


def main() -> None:
    """Measure and write the report."""
    common.run("recipes.benchmarks.engines", parse(), KINDS, measure, conclude)


if __name__ == "__main__":
    main()
