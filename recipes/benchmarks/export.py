"""An exported depth in CTranslate2 against fairseq: is the greedy output the same, and how long does it take?

    python -m recipes.benchmarks.export DATA --checkpoint ckpt.pt --post-process sentencepiece

fairseq decodes at (n, m) with the checkpoint itself, as ``fairseq-generate`` does, CTranslate2 what ``fairseq-flexdepth
export`` makes of it, in turns, greedily, one thread each, as many sentences a batch. See recipes/benchmarks/README.md.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List

import sacrebleu
import torch

from fairseq_flexdepth.cli.fairseq_options import parse_generation_options
from fairseq_flexdepth.cli.main import main as main_of_flexdepth
from fairseq_flexdepth.corpus.split import Split
from recipes.benchmarks import commands, common

SYSTEMS = ("fairseq", "float32", "int8")  # the last two are types of CTranslate2's weights


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="binarised data, as fairseq-generate takes it")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--depths", default="3,3 2,1 1,1", help="pairs of encoder and decoder depth")
    parser.add_argument("--gen-subset", default="test")
    parser.add_argument("--batch-size", type=int, default=64, help="sentences")
    parser.add_argument("--max-len-b", type=int, default=200, help="tokens of the longest hypothesis")
    parser.add_argument("--post-process", default="sentencepiece", help="how subwords become words")
    parser.add_argument("--turns", type=int, default=3, help="of whose times the median counts")
    common.add_common_options(parser)
    parser.set_defaults(threads=1)
    return parser.parse_args()


class FairseqDecoder:
    """Decodes with the checkpoint as ``fairseq-generate`` does; what is timed is beam search, as it times itself."""

    def __init__(self, args: argparse.Namespace, pair: str) -> None:
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
        """The sentences as CTranslate2 takes them: without the end symbol."""
        words = self.split.task.source_dictionary
        return [[words[token] for token in item.tolist()[:-1]] for item in self.split.dataset.src]

    def translate(self) -> Dict[int, List[int]]:
        """The tokens of every sentence's hypothesis."""
        found = {}
        for sample in self.batches:
            for number, hypotheses in zip(sample["id"].tolist(), self.split.search(self.generator, sample)):
                found[number] = hypotheses[0]["tokens"].tolist()[:-1]
        return found


class Clock:
    """Wall-clock seconds of repeated calls, and the processor's seconds, which other processes disturb less."""

    def __init__(self, device: str) -> None:
        self.timer = common.Timer(device)
        self.cpu_seconds: List[float] = []

    def __call__(self, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = self.timer(function)
        self.cpu_seconds.append(time.process_time() - start)
        return result


def measure(pair: str, args: argparse.Namespace) -> Dict[str, Any]:
    """Everything at one depth pair, in turns."""
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
            common.progress(f"({pair}) {system}: {seconds[0]:.2f} s, {seconds[1]:.2f} s of processor")
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
    """How many translations are fairseq's, token by token, and the BLEU of each system."""
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


def table(measured: List[Dict[str, Any]], args: argparse.Namespace) -> str:
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
    header = ["(n, m)", "system", "MiB", "seconds", "of the processor", "sentences a processor's second"]
    header += ["× fairseq", "identical to fairseq's", "BLEU"]
    return "\n".join(
        [
            f"{measured[0]['sentences']:,} sentences of {args.gen_subset}, greedy, batches of {args.batch_size} "
            f"sentences, {args.threads} thread; seconds of decoding alone, median of {args.turns} turns. fairseq reads "
            "the whole checkpoint.",
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
    measured = [common.in_child("recipes.benchmarks.export", pair, sys.argv[1:]) for pair in args.depths.split()]
    # Whose files they were says nothing: names of machines' folders stay out of the results.
    args.data, args.checkpoint = args.data.name, args.checkpoint.name
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"export-{args.device}", result, table(measured, args))


if __name__ == "__main__":
    main()
