"""Compare the greedy output and the speed of fairseq and of CTranslate2, at several depth pairs of a checkpoint.

    python -m recipes.benchmarks.export DATA --checkpoint ckpt.pt --post-process sentencepiece

fairseq decodes with the checkpoint at (n, m), as ``fairseq-generate`` does; CTranslate2 decodes with the model that
``fairseq-flexdepth export`` writes. Both decode in turns, with one thread and the same number of sentences per batch.
See recipes/benchmarks/README.md.
"""

import contextlib
import sys
import tempfile
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List

import sacrebleu

from fairseq_flexdepth.cli.fairseq_options import parse_generation_options
from fairseq_flexdepth.cli.main import main as main_of_flexdepth
from fairseq_flexdepth.corpus.split import Split
from recipes.benchmarks import commands, common
from recipes.common.markdown import markdown_table

SYSTEMS = ("fairseq", "float32", "int8")  # the last two: weight types of CTranslate2


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    parser.add_argument("data", type=Path, help="binarised data, as for fairseq-generate")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--depths", default="3,3 2,1 1,1", help="depth pairs (encoder, decoder)")
    parser.add_argument("--gen-subset", default="test")
    parser.add_argument("--batch-size", type=int, default=64, help="sentences per batch")
    parser.add_argument("--max-len-b", type=int, default=200, help="tokens of the longest hypothesis")
    parser.add_argument("--post-process", default="sentencepiece", help="as in fairseq-generate: joins subwords")
    parser.add_argument("--turns", type=int, default=3, help="turns; the median time is reported")
    parser.set_defaults(threads=1)
    return parser.parse_args()


class FairseqDecoder:
    """Decodes with the checkpoint as ``fairseq-generate`` does; fairseq's own timer covers the same as `translate`."""

    def __init__(self, args: Namespace, pair: str) -> None:
        n, m = pair.split(",")
        options = (
            args.data, "--path", args.checkpoint, "--enc-layers", n, "--dec-layers", m, "--gen-subset", args.gen_subset,
            "--beam", 1, "--batch-size", args.batch_size, "--max-len-b", args.max_len_b, "--post-process",
            args.post_process, *commands.cpu(args.device),
        )  # fmt: skip
        self.split = Split(parse_generation_options(list(map(str, options))))
        self.generator = self.split.build_generator()
        self.batches = [self.split.sample(batch) for batch in self.split.batches()]

    def sources(self) -> List[List[str]]:
        """Return the source sentences as lists of words without the end symbol, as CTranslate2 takes them."""
        words = self.split.task.source_dictionary
        return [[words[token] for token in item.tolist()[:-1]] for item in self.split.dataset.src]

    def translate(self) -> Dict[int, List[int]]:
        """Decode all batches; return the tokens of the best hypothesis, by sentence id."""
        found = {}
        for sample in self.batches:
            for number, hypotheses in zip(sample["id"].tolist(), self.split.search(self.generator, sample)):
                found[number] = hypotheses[0]["tokens"].tolist()[:-1]
        return found


class Clock:
    """Wall-clock seconds and CPU seconds of repeated calls; other processes disturb CPU seconds less."""

    def __init__(self, device: str) -> None:
        self.timer = common.Timer(device)
        self.cpu_seconds: List[float] = []

    def __call__(self, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = self.timer(function)
        self.cpu_seconds.append(time.process_time() - start)
        return result


def measure(pair: str, args: Namespace) -> Dict[str, Any]:
    """Decode with every system in turns, at one depth pair, ``N,M``."""
    import ctranslate2

    n, m = pair.split(",")
    fairseq = FairseqDecoder(args, pair)
    sources = fairseq.sources()
    ways: Dict[str, Callable[[], Any]] = {"fairseq": fairseq.translate}
    sizes = {"fairseq": args.checkpoint.stat().st_size}
    with tempfile.TemporaryDirectory() as temporary:
        for system in SYSTEMS[1:]:
            folder = Path(temporary, system)
            options = ["--path", args.checkpoint, "--data", args.data, "--enc-layers", n, "--dec-layers", m]
            options += ["--format", "ctranslate2", "--quantization", system, "--output", folder]
            with contextlib.redirect_stdout(sys.stderr):
                if main_of_flexdepth(["export", *map(str, options)]) != 0:
                    raise SystemExit(f"export of ({pair}) failed")
            sizes[system] = sum(file.stat().st_size for file in folder.iterdir())
            translator = ctranslate2.Translator(
                str(folder), device=args.device, inter_threads=1, intra_threads=args.threads
            )
            ways[system] = partial(
                translator.translate_batch, sources, beam_size=1, max_batch_size=args.batch_size,
                max_decoding_length=args.max_len_b,
            )  # fmt: skip
    clocks = {system: Clock(args.device) for system in SYSTEMS}
    found: Dict[str, Any] = {}
    for turn in range(args.turns + 1):
        for system in SYSTEMS if turn % 2 else reversed(SYSTEMS):
            clock = clocks[system] if turn else Clock(args.device)  # the first turn warms up
            found[system] = clock(ways[system])
            seconds = clock.timer.seconds[-1], clock.cpu_seconds[-1]
            common.progress(f"({pair}) {system}: {seconds[0]:.2f} s, {seconds[1]:.2f} CPU seconds")
    return {
        "encoder_layers": int(n),
        "decoder_layers": int(m),
        "sentences": len(sources),
        **compare(fairseq.split, found),
        "seconds": {system: median(clock.timer.seconds) for system, clock in clocks.items()},
        "cpu_seconds": {system: median(clock.cpu_seconds) for system, clock in clocks.items()},
        "all_seconds": {system: clock.timer.seconds for system, clock in clocks.items()},
        "all_cpu_seconds": {system: clock.cpu_seconds for system, clock in clocks.items()},
        "bytes": sizes,
        "other_load": {system: median(clock.timer.other_load) for system, clock in clocks.items()},
    }


def compare(split: Split, found: Dict[str, Any]) -> Dict[str, Any]:
    """Return the number of translations that equal fairseq's token by token, and the BLEU of each system."""
    numbers = range(len(split.dataset))
    words = split.task.target_dictionary
    tokens = {"fairseq": [found["fairseq"][number] for number in numbers]}
    for system in SYSTEMS[1:]:
        tokens[system] = [[words.index(word) for word in result.hypotheses[0]] for result in found[system]]
    references = [split.reference_text(number) for number in numbers]
    return {
        "identical": {
            system: sum(ours == theirs for ours, theirs in zip(tokens["fairseq"], tokens[system]))
            for system in SYSTEMS[1:]
        },
        "bleu": {
            system: sacrebleu.corpus_bleu([split.target_text(line) for line in lines], [references]).score
            for system, lines in tokens.items()
        },
    }


def table(measured: List[Dict[str, Any]], args: Namespace) -> str:
    """Return the report as Markdown."""
    rows = []
    for pair in measured:
        for system in SYSTEMS:
            seconds, cpu = pair["seconds"][system], pair["cpu_seconds"][system]
            same = f"{pair['identical'][system]:,} of {pair['sentences']:,}" if system in pair["identical"] else ""
            rows.append(
                [f"({pair['encoder_layers']}, {pair['decoder_layers']})"]
                + [system if system == "fairseq" else f"CTranslate2 {system}"]
                + [f"{pair['bytes'][system] / common.MIB:.1f}", f"{seconds:.2f}", f"{cpu:.2f}"]
                + [f"{pair['sentences'] / cpu:.0f}", f"{pair['cpu_seconds']['fairseq'] / cpu:.1f}"]
                + [same, f"{pair['bleu'][system]:.1f}"]
            )
    header = ["(n, m)", "system", "MiB", "seconds", "CPU seconds", "sentences per CPU second"]
    header += ["× fairseq", "identical to fairseq's", "BLEU"]
    return common.page(
        f"{measured[0]['sentences']:,} sentences of {args.gen_subset}, greedy, batches of {args.batch_size} "
        f"sentences, {args.threads} thread; seconds of decoding alone, median of {args.turns} turns. fairseq reads "
        "the whole checkpoint.",
        markdown_table(header, rows),
    )


def conclude(results: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    measured = list(results.values())
    # The results name no folders of the machine.
    args.data, args.checkpoint = args.data.name, args.checkpoint.name
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"export-{args.device}", result, table(measured, args))


def main() -> None:
    """Measure every depth pair and write the report."""
    args = parse()
    common.run("recipes.benchmarks.export", args, args.depths.split(), measure, conclude)


if __name__ == "__main__":
    main()
