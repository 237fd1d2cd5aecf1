"""An exported depth in CTranslate2 against fairseq-generate: is the greedy output the same, and how long does it take?

    python -m recipes.benchmarks.export DATA --checkpoint ckpt.pt --post-process sentencepiece

``fairseq-generate`` decodes at (n, m) with the checkpoint itself, CTranslate2 what ``fairseq-flexdepth export`` makes
of it, in turns, greedily, one thread each, as many sentences a batch. See recipes/benchmarks/README.md.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, Tuple

import sacrebleu

from recipes.benchmarks import commands, common
from recipes.common.generate_log import parse_generate_log

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


def fairseq_generate(args: argparse.Namespace, pair: str, *options: Any) -> Tuple[float, str]:
    """fairseq-generate at a depth pair; seconds of the whole command, and what it printed."""
    n, m = pair.split(",")
    return commands.run(
        "fairseq-generate", args.data, "--user-dir", commands.PLUGIN, "--path", args.checkpoint, "--enc-layers", n,
        "--dec-layers", m, "--gen-subset", args.gen_subset, "--beam", 1, "--batch-size", args.batch_size,
        "--max-len-b", args.max_len_b, *commands.cpu(args.device), *options,
    )  # fmt: skip


def fields_of(output: str, kind: str) -> List[str]:
    """The last field of all lines of a kind (S, T, H, ...) that fairseq-generate printed, in the order of the data."""
    lines = [line.split("\t") for line in output.splitlines() if line.startswith(f"{kind}-")]
    return [fields[-1] for fields in sorted(lines, key=lambda fields: int(fields[0][2:]))]


def measure(path: str, args: argparse.Namespace) -> Dict[str, Any]:
    """Translate the sources next to a CTranslate2 model with it, in this process."""
    import ctranslate2

    folder = Path(path)
    sources = [line.split() for line in folder.with_suffix(".src").read_text(encoding="utf-8").splitlines()]
    timer = common.Timer()
    start = time.perf_counter()
    translator = ctranslate2.Translator(
        str(folder), device=args.device, inter_threads=1, intra_threads=args.threads, compute_type="default"
    )
    loading = time.perf_counter() - start
    results = timer(
        lambda: translator.translate_batch(
            sources, beam_size=1, max_batch_size=args.batch_size, max_decoding_length=args.max_len_b
        )
    )
    return {
        "seconds": timer.seconds[-1],
        "loading": loading,
        "other_load": timer.other_load[-1],
        "hypotheses": [" ".join(result.hypotheses[0]) for result in results],
    }


def compare(pair: str, args: argparse.Namespace, folder: Path) -> Dict[str, Any]:
    """Everything measured at one depth pair."""
    n, m = pair.split(",")
    output = fairseq_generate(args, pair)[1]
    references = parse_generate_log(fairseq_generate(args, pair, "--post-process", args.post_process)[1]).references
    sizes = {"fairseq": args.checkpoint.stat().st_size}
    for system in SYSTEMS[1:]:
        commands.run(
            "fairseq-flexdepth", "export", "--path", args.checkpoint, "--data", args.data, "--enc-layers", n,
            "--dec-layers", m, "--format", "ctranslate2", "--quantization", system, "--output", folder / system,
        )  # fmt: skip
        (folder / f"{system}.src").write_text("\n".join(fields_of(output, "S")) + "\n", encoding="utf-8")
        sizes[system] = sum(file.stat().st_size for file in (folder / system).iterdir())
    hypotheses = {"fairseq": fields_of(output, "H")}
    seconds: Dict[str, List[float]] = {system: [] for system in SYSTEMS}
    other_load: List[float] = []
    for turn in range(args.turns):
        for system in SYSTEMS if turn % 2 else reversed(SYSTEMS):
            if system == "fairseq":
                seconds[system].append(parse_generate_log(fairseq_generate(args, pair)[1]).seconds)
            else:
                found = common.in_child("recipes.benchmarks.export", str(folder / system), sys.argv[1:])
                hypotheses[system] = found["hypotheses"]
                other_load.append(found["other_load"])
                seconds[system].append(found["seconds"])
            common.progress(f"({pair}) {system}: {seconds[system][-1]:.2f} s")
    words = {system: [detokenised(line, args.post_process) for line in lines] for system, lines in hypotheses.items()}
    return {
        "encoder_layers": int(n),
        "decoder_layers": int(m),
        "sentences": len(hypotheses["fairseq"]),
        "identical": {
            system: sum(ours == theirs for ours, theirs in zip(hypotheses["fairseq"], hypotheses[system]))
            for system in SYSTEMS[1:]
        },
        "bleu": {system: sacrebleu.corpus_bleu(lines, [references]).score for system, lines in words.items()},
        "seconds": {system: median(times) for system, times in seconds.items()},
        "all_seconds": seconds,
        "bytes": sizes,
        "other_load": median(other_load),
    }


def detokenised(line: str, post_process: str) -> str:
    from fairseq.data.data_utils import post_process as undo_subwords

    return undo_subwords(line, post_process)


def table(measured: List[Dict[str, Any]], args: argparse.Namespace) -> str:
    rows = []
    for pair in measured:
        for system in SYSTEMS:
            seconds = pair["seconds"][system]
            same = f"{pair['identical'][system]:,} of {pair['sentences']:,}" if system in pair["identical"] else ""
            rows.append(
                [f"({pair['encoder_layers']}, {pair['decoder_layers']})"]
                + [system if system == "fairseq" else f"CTranslate2 {system}"]
                + [f"{pair['bytes'][system] / common.MIB:.1f}", f"{seconds:.2f}"]
                + [f"{pair['sentences'] / seconds:.0f}", f"{pair['seconds']['fairseq'] / seconds:.1f}"]
                + [same, f"{pair['bleu'][system]:.1f}"]
            )
    header = ["(n, m)", "system", "MiB", "seconds", "sentences/s", "× fairseq", "identical to fairseq's", "BLEU"]
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
    if args.measure:
        print(json.dumps(measure(args.measure, args)))
        return
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        measured = [compare(pair, args, Path(folder)) for pair in args.depths.split()]
    # Whose files they were says nothing: names of machines' folders stay out of the results.
    args.data, args.checkpoint = args.data.name, args.checkpoint.name
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"export-{args.device}", result, table(measured, args))


if __name__ == "__main__":
    main()
