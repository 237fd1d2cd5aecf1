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
from typing import Any, Dict, List, Optional, Sequence

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
    parser.add_argument("--overhead-decoded", type=int, default=5000, help="sentences for the selector's own time")
    parser.add_argument("--overhead-single", type=int, default=200, help="the same for batch size 1")
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
        more: further options of the model and of its only update.
    """

    def __init__(
        self, folder: Path, args: Namespace, layers: int, vocabulary: int, sentences: int, more: Sequence[str] = ()
    ) -> None:
        self.args = args
        self.folder = folder
        self.write_data(folder, sentences, vocabulary)
        self.checkpoint = commands.write_checkpoint(
            folder, folder / "bin", args.device, "--arch", "tied_multi_transformer", "--criterion",
            "tied_multi_cross_entropy", "--encoder-layers", layers, "--decoder-layers", layers, *more,
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
        self.other_load: List[float] = []  # by other processes, during each command

    def write_data(self, folder: Path, sentences: int, vocabulary: int) -> None:
        """Write so many sentences, of ``--length`` words on average, into *folder*; others, but the same words."""
        shortest, longest = self.args.length // 4, 2 * self.args.length - self.args.length // 4
        commands.write_data(folder, sentences, (shortest, longest), vocabulary, self.args.seed)

    def oracle(self) -> float:
        """Write the labels of all sentences; return the seconds of the whole command."""
        options = ("--max-tokens", 4000, "--output", self.labels, "--overwrite")
        return self._run("fairseq-flexdepth", "oracle", *self.options, *options).seconds

    def generate(self, *options: Any, data: Optional[Path] = None) -> commands.Run:
        """Run ``fairseq-generate``, on other binarised *data* if given."""
        own_data, *others = self.options
        return self._run("fairseq-generate", data or own_data, *others, "--user-dir", commands.PLUGIN, *options)

    def _run(self, *command: Any) -> commands.Run:
        done = commands.run(*command)
        self.other_load.append(done.other_load)
        return done

    def decoding(self, *options: Any) -> float:
        """Return the seconds of choosing depths and of beam search alone, the median of several turns."""
        return median(parse_generate_log(self.generate(*options).output).seconds for _ in range(self.args.turns))


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure one of KINDS, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        return (measure_overhead if kind == "overhead" else measure_oracle)(Path(folder), args)


def measure_overhead(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Measure the time that a selector adds; all sentences are then decoded at the deepest pair.

    The first batches of a process take longer. So the same command decodes the few sentences of ``valid`` first, whose
    seconds are subtracted (``warm_ratio``).
    """
    bench = Bench(folder, args, args.layers, args.vocabulary, args.overhead_decoded)
    # With batch size 1, fewer sentences.
    single = folder / "single"
    single.mkdir()
    bench.write_data(single, args.overhead_single, args.vocabulary)
    # The labels of the few sentences of valid are enough to train a selector: its weights do not matter.
    few = folder / "few"
    few.mkdir()
    options = (*bench.options, "--gen-subset", "valid", "--output", few)
    commands.run("fairseq-flexdepth", "oracle", *options)
    selector = commands.write_checkpoint(
        folder / "selector", few, args.device, "--task", "depth_selection", "--arch", "depth_selector", "--criterion",
        "depth_selection", "--train-subset", "valid", "--init-embeddings-from", bench.checkpoint,
    )  # fmt: skip
    measured: Dict[str, Any] = {}
    for name, batch in BATCHES:
        seconds = []
        alone = name == "batch size 1"
        options = (*batch, "--depth-selector", selector, "--selector-threshold", 1)
        for _ in range(args.turns):
            logs = [
                parse_generate_log(bench.generate(*options, *subset, data=single / "bin" if alone else None).output)
                for subset in (("--gen-subset", "valid"), ())
            ]
            seconds.append([value for log in logs for value in (log.choosing, log.decoding)])
            common.progress(f"{name}: choosing {logs[1].choosing:.2f} s, decoding {logs[1].decoding:.2f} s")
        first_choosing, first_decoding, choosing, decoding = (median(values) for values in zip(*seconds))
        measured[name] = {
            "sentences": args.overhead_single if alone else args.overhead_decoded,
            "choosing": choosing,
            "decoding": decoding,
            "ratio": choosing / decoding,
            "first": {"choosing": first_choosing, "decoding": first_decoding},
            "warm_ratio": (choosing - first_choosing) / (decoding - first_decoding),
        }
    return {**measured, "other_load": bench.other_load}


def measure_oracle(folder: Path, args: Namespace) -> Dict[str, Any]:
    """Time ``oracle``, one ``fairseq-generate`` per depth pair, and decoding by the oracle's labels."""
    layers = args.oracle_layers
    bench = Bench(folder, args, layers, args.oracle_vocabulary, args.decoded)
    oracle = bench.oracle()
    common.progress(f"oracle: {oracle:.1f} s")
    pairs = [(n, m) for n in range(1, layers + 1) for m in range(1, layers + 1)]
    separate = []
    for n, m in pairs:
        separate.append(bench.generate("--max-tokens", 4000, "--enc-layers", n, "--dec-layers", m).seconds)
        common.progress(f"fairseq-generate at ({n}, {m}): {separate[-1]:.1f} s")
    saved = {}
    for name, batch in BATCHES:
        deepest = bench.decoding(*batch, "--enc-layers", layers)
        selective = bench.decoding(*batch, "--depth-selector", f"oracle:{bench.labels}")
        saved[name] = {"deepest": deepest, "selective": selective, "saved": 1 - selective / deepest}
        common.progress(f"{name}: {deepest:.1f} s at the deepest, {selective:.1f} s by the oracle's labels")
    ratio = oracle / sum(separate)
    return {
        "oracle": oracle, "separate": separate, "ratio": ratio, "saved": saved, "other_load": bench.other_load
    }  # fmt: skip


def table(measured: Dict[str, Any], args: Namespace) -> str:
    """Return the report as Markdown."""
    overhead, oracle = measured["overhead"], measured["oracle"]
    rows = [
        [name, f"{saved['deepest']:.1f}", f"{saved['selective']:.1f}", f"{100 * saved['saved']:.1f} %"]
        for name, saved in oracle["saved"].items()
    ]
    realised = oracle["saved"]["full batches"]["saved"] / oracle["saved"]["batch size 1"]["saved"]
    model = f"{args.oracle_layers}×{args.oracle_layers}, V {args.oracle_vocabulary:,}"
    return common.page(
        f"d {args.embed_dim}, ffn {args.ffn_dim}, beam {args.beam}, fp32; {args.decoded:,} sentences of "
        f"{args.length} words on average; median of {args.turns} turns.",
        markdown_table([model, "seconds at the deepest pair", "seconds by the oracle's labels", "saved"], rows),
        [
            f"saving with full batches, relative to batch size 1: {common.reached(realised, 0.8, at_least=True)}",
            f"`oracle` {oracle['oracle']:.1f} s, {len(oracle['separate'])} runs of `fairseq-generate` "
            f"{sum(oracle['separate']):.1f} s, both with start-up: {common.reached(oracle['ratio'], 0.75)}",
            f"the selector's time (2 layers, ffn 2,048), in per cent of decoding at ({args.layers}, {args.layers}), "
            f"V {args.vocabulary:,}: {'; '.join(overhead_of(name, overhead[name], args) for name, _ in BATCHES)}",
            *common.load_finding([*overhead.get("other_load", []), *oracle.get("other_load", [])]),
        ],
    )


def overhead_of(name: str, measured: Dict[str, Any], args: Namespace) -> str:
    """The selector's share of decoding by one of BATCHES; older results have the first batches in it."""
    sentences = measured.get("sentences", args.overhead_decoded)
    whole = 100 * measured["ratio"]
    if "warm_ratio" not in measured:
        return f"{name}, {sentences:,} sentences {common.reached(whole, 3)}"
    warm = common.reached(100 * measured["warm_ratio"], 3)
    return f"{name}, {sentences:,} sentences {warm}, with the first batches {whole:.3g}"


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"selection-{args.device}", result, table(measured, args))


def main() -> None:
    """Measure all KINDS and write the report."""
    common.run("recipes.benchmarks.selection", parse(), KINDS, measure, conclude)


if __name__ == "__main__":
    main()
