"""``fairseq-flexdepth sweep``: translation quality and decoding speed at every depth, as a report."""

import argparse
import functools
import json
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from fairseq_flexdepth.cli.decoding_options import hides_progress
from fairseq_flexdepth.cli.fairseq_options import check_one_directory, check_paths, parse_generation_options, quiet
from fairseq_flexdepth.depth.space import DepthPair, parse_pairs
from fairseq_flexdepth.files.outputs import check_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fairseq_flexdepth.corpus.scores import CometScorer
    from fairseq_flexdepth.corpus.shards import ShardFile
    from fairseq_flexdepth.corpus.split import Split
    from fairseq_flexdepth.corpus.sweep import Run, Sweep

NAME = "sweep"
HELP = "decode a test set at every depth: quality and speed as a web page, pictures, JSON, CSV and text"

EPILOG = (
    "All other options are those of fairseq-generate, with the same meaning; --enc-layers or --dec-layers leaves only "
    "the depths of the other side. Seconds are those of beam search and of the encoder, whose one run for all depths "
    "is shared out by layers; loading, batching and a batch to warm up are not in them. Words per second are source "
    "words: what white space separates once --post-process, --bpe and --tokenizer have done their part. An interrupted "
    "sweep goes on where it was when the same command is given again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s DATA --path CHECKPOINT --output FOLDER [fairseq-generate options]"
    parser.epilog = EPILOG
    parser.add_argument(
        "--path", action="append", default=[], metavar="CHECKPOINT",
        help="a model, or an ensemble a.pt:b.pt; once for each of several to compare",
    )  # fmt: skip
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where the report goes")
    parser.add_argument("--depths", metavar="N-M,...", help="encoder and decoder depths such as 1-1,3-2 (default: all)")
    parser.add_argument(
        "--references", metavar="FILE", help="raw text to score against, a line a sentence, in place of the data's"
    )
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="K",
        help="decode every batch K times and take the median of its times; 3 for times to publish (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=float, metavar="SHARE",
        help="name the depth of the highest BLEU within this share, 0.5 for instance, of the time of the first model's "
        "deepest",
    )  # fmt: skip
    parser.add_argument("--comet", metavar="MODEL", help="also score with COMET, whose package you install")
    parser.add_argument("--overwrite", action="store_true", help="replace a report, or what other options began")
    parser.add_argument("--json", action="store_true", help="print sweep.json instead of the table")
    parser.set_defaults(fairseq_options=[])


def run(args: argparse.Namespace) -> int:
    with quiet():
        given = [*(["--path", args.path[0]] if args.path else []), *args.fairseq_options]
        config = parse_generation_options(given, NAME)
        check_paths(args.path)
        depths = _check(args, config)
        rows, summary = _sweep(args, config, depths)
    print(json.dumps(rows, indent=1) if args.json else summary)
    return 0


def _check(args: argparse.Namespace, config: "DictConfig") -> Optional[List[DepthPair]]:
    """Refuse options that do not fit; return what ``--depths`` asks for."""
    for path in args.path:
        if args.path.count(path) > 1:
            raise ValueError(f"--path {path}: given twice; expected different checkpoints")
    if args.repeat < 1:
        raise ValueError(f"--repeat {args.repeat}: expected 1 or more")
    if args.budget is not None and not 0 < args.budget <= 1:
        raise ValueError(f"--budget {args.budget:g}: expected a share of the deepest's time, above 0 and at most 1")
    check_one_directory(config, "sweep")
    check_folder("--output", args.output)
    if os.path.exists(os.path.join(args.output, "sweep.json")) and not args.overwrite:
        raise ValueError(f"--output {args.output}: has a report already; --overwrite replaces it")
    if args.depths is None:
        return None
    if config.task.get("enc_layers") is not None or config.task.get("dec_layers") is not None:
        raise ValueError(f"--depths {args.depths}: names both depths; leave out --enc-layers and --dec-layers")
    return parse_pairs(args.depths, "--depths")


def _sweep(
    args: argparse.Namespace, config: "DictConfig", depths: Optional[List[DepthPair]]
) -> Tuple[List[Dict[str, Any]], str]:
    """Decode what is left to decode and write the report; its rows, and what to print of it."""
    from fairseq_flexdepth.cli.machine import describe_machine
    from fairseq_flexdepth.cli.report.report import run_wide_facts, summary, write_report
    from fairseq_flexdepth.corpus.fingerprint import fingerprint, settings
    from fairseq_flexdepth.corpus.shards import ShardFile
    from fairseq_flexdepth.corpus.split import Split
    from fairseq_flexdepth.corpus.sweep import Sweep, SweepResults

    split = Split(config, paths=args.path)
    split.warn_of_bleu()
    references = _references(args.references, split)
    comet = _comet(args.comet, split.use_cuda)
    sweep = Sweep(split, depths or _asked_for(split), args.repeat)
    batches = split.batches()
    if not batches:
        raise ValueError(f"--gen-subset {config.dataset.gen_subset}: every sentence is too long to decode")
    machine = describe_machine(split.use_cuda)
    shaped_by = settings(split, {"depths": [list(pair) for pair in sweep.every_depth.pairs], "repeats": args.repeat})
    header = {**fingerprint(shaped_by, split, batches), "machine": machine}
    work = os.path.join(args.output, "unfinished.jsonl")
    with ShardFile(work, range(len(batches)), header, args.overwrite) as shard:
        _decode(sweep, shard, batches)
        swept = SweepResults(sweep, batches, shard.results())
        sources = [split.source_text(index) for index in range(len(split.dataset))]
        rows = swept.rows(sources, references, functools.partial(comet, sources) if comet else None)
        facts = run_wide_facts(args, swept, rows, sources, {"machine": machine, "settings": shaped_by})
        write_report(args.output, swept, rows, facts, {"source": sources, "reference": references})
        os.remove(work)
    return rows, summary(args.output, rows, facts)


def _decode(sweep: "Sweep", shard: "ShardFile", batches: Sequence[Sequence[int]]) -> None:
    """Decode the batches that are left."""
    from tqdm import tqdm

    each = len(sweep.runs) * sweep.repeats
    total, done = len(batches) * each, shard.done * each
    several = len(sweep.split.paths) > 1
    hidden = hides_progress(sweep.split.cfg)
    with tqdm(total=total, initial=done, desc="decoding", unit="batch", disable=hidden) as progress:

        def tell(run: "Run") -> None:
            model = f"model {run.system + 1}, " if several else ""
            progress.set_postfix_str(f"{model}encoder {run.pair[0]}, decoder {run.pair[1]}", refresh=False)
            progress.update()

        for number in shard.remaining:
            shard.append(sweep.decode(number, batches[number], tell))


def _asked_for(split: "Split") -> Optional[List[DepthPair]]:
    """The pairs that ``--enc-layers`` or ``--dec-layers`` leaves; ``None`` is all."""
    from fairseq_flexdepth.decoding.model_depth import common_pairs

    n, m = split.cfg.task.get("enc_layers"), split.cfg.task.get("dec_layers")
    if n is None and m is None:
        return None
    pairs = {pair for models in split.ensembles for pair in common_pairs(models)}
    return sorted(pair for pair in pairs if n in (None, pair[0]) and m in (None, pair[1]))


def _references(path: Optional[str], split: "Split") -> List[str]:
    """What translations are scored against, in the order of the data."""
    from fairseq_flexdepth.files.text import read_lines

    if path is None:
        split.require_references("sweep without --references")
        return [split.reference_text(index) for index in range(len(split.dataset))]
    lines = read_lines(path, "--references")
    if len(lines) != len(split.dataset):
        raise ValueError(f"--references {path}: has {len(lines)} lines; expected {len(split.dataset)}, one a sentence")
    return lines


def _comet(name: Optional[str], use_cuda: bool) -> "Optional[CometScorer]":
    from fairseq_flexdepth.corpus.scores import CometScorer

    return None if name is None else CometScorer(name, use_cuda)
