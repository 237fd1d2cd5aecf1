"""Measure the cost and the savings of choosing the depth per sentence.

    python -m recipes.benchmarks.selection

It times the selector itself, ``oracle`` against one ``fairseq-generate`` per depth pair, and decoding by the oracle's
labels with batch size 1 and with full batches: whole commands on invented text, with random weights. See
recipes/benchmarks/README.md.
"""

import tempfile
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, Tuple

from recipes.benchmarks import build, commands, common
from recipes.common.generate_log import parse_generate_log
from recipes.common.markdown import markdown_table

KINDS = ("overhead", "oracle")
BATCHES = (("full batches", ("--max-tokens", 4000)), ("batch size 1", ("--batch-size", 1)))


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    parser.add_argument("--oracle-layers", type=int, default=3, help="layers per side of the smaller model for oracle")
    parser.add_argument("--oracle-vocabulary", type=int, default=8000)
    parser.add_argument("--decoded", type=int, default=1000, help="sentences that oracle decodes")
    parser.add_argument("--overhead-decoded", type=int, default=200, help="sentences for the selector's own time")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--turns", type=int, default=3, help="turns of decoding; the median is reported")
    return parser.parse_args()


class Bench:
    """A tied-multi model with random weights, its data, and the commands that decode with it.

    Args:
        folder: the folder for all files.
        args: sizes, seed, beam and device.
        layers: encoder layers, and decoder layers.
        vocabulary: number of words.
        sentences: number of sentences to decode.
    """

    def __init__(self, folder: Path, args: Namespace, layers: int, vocabulary: int, sentences: int) -> None:
        self.args = args
        self.folder = folder
        shortest, longest = args.length // 4, 2 * args.length - args.length // 4
        commands.write_data(folder, sentences, (shortest, longest), vocabulary, args.seed)
        self.checkpoint = commands.write_checkpoint(
            folder, folder / "bin", args.device, "--arch", "tied_multi_transformer", "--criterion",
            "tied_multi_cross_entropy", "--encoder-layers", layers, "--decoder-layers", layers,
            *(option for side in ("encoder", "decoder") for option in (
                f"--{side}-embed-dim", args.embed_dim, f"--{side}-ffn-embed-dim", args.ffn_dim,
                f"--{side}-attention-heads", args.heads)),
        )  # fmt: skip
        # --match-source-len, since random weights would never end a sentence
        self.options: List[Any] = [
            folder / "bin", "--path", self.checkpoint, "--gen-subset", "train", "--beam", args.beam,
            "--match-source-len", *commands.cpu(args.device),
        ]  # fmt: skip
        self.labels = folder / "labels"

    def oracle(self) -> float:
        """Write the labels of all sentences; return the seconds of the whole command."""
        options = ("--max-tokens", 4000, "--output", self.labels, "--overwrite")
        return commands.run("fairseq-flexdepth", "oracle", *self.options, *options)[0]

    def generate(self, *options: Any) -> Tuple[float, str]:
        """Run ``fairseq-generate``; return the seconds of the whole command, and its output."""
        return commands.run("fairseq-generate", *self.options, "--user-dir", commands.PLUGIN, *options)

    def decoding(self, *options: Any) -> float:
        """Return the seconds of choosing depths and of beam search alone, the median of several turns."""
        return median(parse_generate_log(self.generate(*options)[1]).seconds for _ in range(self.args.turns))


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure one of KINDS, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        return (measure_overhead if kind == "overhead" else measure_oracle)(Path(folder), args)


def measure_overhead(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Measure the time that a selector adds; all sentences are then decoded at the deepest pair."""
    bench = Bench(folder, args, args.layers, args.vocabulary, args.overhead_decoded)
    # The labels of the few sentences of valid are enough to train a selector: its weights do not matter.
    few = folder / "few"
    few.mkdir()
    options = (*bench.options, "--gen-subset", "valid", "--output", few)
    commands.run("fairseq-flexdepth", "oracle", *options)
    selector = commands.write_checkpoint(
        folder / "selector", few, args.device, "--task", "depth_selection", "--arch", "depth_selector", "--criterion",
        "depth_selection", "--train-subset", "valid", "--init-embeddings-from", bench.checkpoint,
    )  # fmt: skip
    measured = {}
    for name, batch in BATCHES:
        seconds = []
        for _ in range(args.turns):
            output = bench.generate(*batch, "--depth-selector", selector, "--selector-threshold", 1)[1]
            log = parse_generate_log(output)
            seconds.append((log.choosing, log.decoding))
            common.progress(f"{name}: choosing {seconds[-1][0]:.2f} s, decoding {seconds[-1][1]:.2f} s")
        choosing, decoding = (median(values) for values in zip(*seconds))
        measured[name] = {"choosing": choosing, "decoding": decoding, "ratio": choosing / decoding}
    return measured


def measure_oracle(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Time ``oracle``, one ``fairseq-generate`` per depth pair, and decoding by the oracle's labels."""
    layers = args.oracle_layers
    bench = Bench(folder, args, layers, args.oracle_vocabulary, args.decoded)
    oracle = bench.oracle()
    common.progress(f"oracle: {oracle:.1f} s")
    pairs = [(n, m) for n in range(1, layers + 1) for m in range(1, layers + 1)]
    separate = []
    for n, m in pairs:
        separate.append(bench.generate("--max-tokens", 4000, "--enc-layers", n, "--dec-layers", m)[0])
        common.progress(f"fairseq-generate at ({n}, {m}): {separate[-1]:.1f} s")
    saved = {}
    for name, batch in BATCHES:
        deepest = bench.decoding(*batch, "--enc-layers", layers)
        selective = bench.decoding(*batch, "--depth-selector", f"oracle:{bench.labels}")
        saved[name] = {"deepest": deepest, "selective": selective, "saved": 1 - selective / deepest}
        common.progress(f"{name}: {deepest:.1f} s at the deepest, {selective:.1f} s by the oracle's labels")
    return {"oracle": oracle, "separate": separate, "ratio": oracle / sum(separate), "saved": saved}


def table(measured: Dict[str, Any], args: Namespace) -> str:
    """Return the report as Markdown."""
    overhead, oracle = measured["overhead"], measured["oracle"]
    rows = [
        [name, f"{saved['deepest']:.1f}", f"{saved['selective']:.1f}", f"{100 * saved['saved']:.1f} %"]
        for name, saved in oracle["saved"].items()
    ]
    realised = oracle["saved"]["full batches"]["saved"] / oracle["saved"]["batch size 1"]["saved"]
    full, single = (100 * overhead[name]["ratio"] for name in ("full batches", "batch size 1"))
    model = f"{args.oracle_layers}×{args.oracle_layers}, V {args.oracle_vocabulary:,}"
    return common.page(
        f"d {args.embed_dim}, ffn {args.ffn_dim}, beam {args.beam}, fp32; {args.decoded:,} sentences of "
        f"{args.length} words on average; median of {args.turns} turns.",
        markdown_table([model, "seconds at the deepest pair", "seconds by the oracle's labels", "saved"], rows),
        [
            f"saving with full batches, relative to batch size 1: {common.reached(realised, 0.8, at_least=True)}",
            f"`oracle` {oracle['oracle']:.1f} s, {len(oracle['separate'])} runs of `fairseq-generate` "
            f"{sum(oracle['separate']):.1f} s, both with start-up: {common.reached(oracle['ratio'], 0.75)}",
            f"the selector's time (2 layers, ffn 2,048), in per cent of decoding {args.overhead_decoded} sentences "
            f"at ({args.layers}, {args.layers}), V {args.vocabulary:,}: full batches {common.reached(full, 3)}, "
            f"batch size 1 {common.reached(single, 3)}",
        ],
    )


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"selection-{args.device}", result, table(measured, args))


def main() -> None:
    """Measure all KINDS and write the report."""
    common.run("recipes.benchmarks.selection", parse(), KINDS, measure, conclude)


if __name__ == "__main__":
    main()
