"""``fairseq-flexdepth oracle``: the depth pairs that translate each sentence best ([dabre2020] §4.1)."""

import argparse
import contextlib
import filecmp
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from fairseq_flexdepth.cli.fairseq_options import check_one_directory, check_paths, parse_generation_options, quiet
from fairseq_flexdepth.cli.launched_processes import choose_gpu
from fairseq_flexdepth.cli.sharded_decoding import Shards, add_shard_arguments, choose_shard
from fairseq_flexdepth.corpus.scores import SENTENCE_METRICS
from fairseq_flexdepth.files.outputs import check_folder, publish, staging, write_whole

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fairseq_flexdepth.corpus.oracle import OracleResults
    from fairseq_flexdepth.corpus.split import Split

NAME = "oracle"
HELP = "find the best depth pairs of every sentence: labels to train a selector on, or to decode with"

EXAMPLES = (
    "fairseq-flexdepth oracle data-bin --path checkpoint_best.pt --gen-subset train --output labels",
    "fairseq-flexdepth oracle data-bin --path checkpoint_best.pt --gen-subset valid --output labels --metric bleu",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.usage = "%(prog)s DATA --path CHECKPOINT --output FOLDER [fairseq-generate options]"
    parser.epilog = (
        "All other options are options of fairseq-generate, with the same meaning. FOLDER collects one split per run, "
        "named after --gen-subset. --num-shards N --shard-id I decodes one of N parts; --num-shards N --merge then "
        "puts them together. Processes that torchrun or srun has started share the work without these options."
    )
    parser.add_argument(
        "--path", action="append", default=[], metavar="CHECKPOINT",
        help="a model of many depths, or an ensemble a.pt:b.pt; repeat the option for separately trained models",
    )  # fmt: skip
    parser.add_argument("--output", required=True, metavar="FOLDER", help="the folder of the labels, for all splits")
    parser.add_argument(
        "--metric", choices=SENTENCE_METRICS, default="chrf", help="metric that scores each translation (default: chrf)"
    )
    add_shard_arguments(parser)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the labels, or an unfinished run with other options"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, the report, instead of the table")
    parser.set_defaults(fairseq_options=[])


def run(args: argparse.Namespace) -> int:
    """Decode a split, or one shard of it, at every depth pair, and write the labels.

    Raises:
        ValueError: an option is refused, a file is missing or damaged, or no sentence gets a label.
    """
    with quiet():
        given = [*(["--path", args.path[0]] if args.path else []), *args.fairseq_options]
        config = parse_generation_options(given, NAME)
        check_paths(args.path)
        choose_shard(args, config)
        check_one_directory(config, "decode")
        check_folder("--output", args.output)
        text = _judge(args, config)
    if text is not None:
        print(text)
    return 0


def _judge(args: argparse.Namespace, config: "DictConfig") -> Optional[str]:
    """Decode the remaining batches; return the text to print, or ``None`` unless all shards are finished."""
    from fairseq_flexdepth.corpus.fingerprint import fingerprint, settings
    from fairseq_flexdepth.corpus.oracle import Oracle, OracleResults
    from fairseq_flexdepth.corpus.split import Split
    from fairseq_flexdepth.files.depth_labels import labels_file

    name = config.dataset.gen_subset
    finished = labels_file(args.output, name)
    if os.path.exists(finished) and not args.overwrite:
        raise ValueError(f"--output {args.output}: already has labels of {name}; --overwrite replaces them")
    shards = Shards(os.path.join(args.output, f"{name}.work"), config, args)
    choose_gpu(config)
    split = Split(config, paths=args.path)
    split.warn_of_bleu()
    _check_dictionary(args.output, split)
    oracle = Oracle(split, args.metric)
    batches = split.batches()
    shaped_by = settings(split, {"metric": args.metric})
    header = fingerprint(shaped_by, split, batches)
    with contextlib.ExitStack() as stack:
        files = shards.finished(stack, header, batches, oracle.score_batch)
        if not files:
            print(shards.message, file=sys.stderr)
            return None
        made_by = {"metric": args.metric, "models": shaped_by["path"]}
        try:
            results = OracleResults(oracle, made_by, (result for file in files for result in file.results()))
        except ValueError:  # no sentence has labels: the shards would block a run on other data
            shards.remove()
            raise
        report = results.report()
        _write(args.output, shards.work, split, results, report)
        shards.remove()
    return json.dumps(report, indent=1) if args.json else _summary(args.output, results, report)


def _dictionary(folder: str, split: "Split") -> str:
    """The path of the source dictionary in *folder*."""
    return os.path.join(folder, f"dict.{split.task.options.source_lang}.txt")


def _check_dictionary(folder: str, split: "Split") -> None:
    """Refuse a folder whose labels belong to another source dictionary."""
    there, used = _dictionary(folder, split), _dictionary(split.cfg.task.data, split)
    if os.path.exists(there) and not filecmp.cmp(there, used, shallow=False):
        raise ValueError(f"--output {folder}: has labels for another source dictionary; expected a new folder")


def _write(folder: str, work: str, split: "Split", results: "OracleResults", report: Dict[str, Any]) -> None:
    """Write dictionary, sources, report, heatmap and labels to *work*, then move them to *folder*.

    The labels are moved last: where they are, the split is complete.
    """
    from fairseq_flexdepth.cli.report.heatmap import draw_heatmap
    from fairseq_flexdepth.corpus.oracle import oracle_shares
    from fairseq_flexdepth.files.depth_labels import labels_file

    name = split.cfg.dataset.gen_subset
    shares = oracle_shares(report)
    with staging(os.path.join(work, "finished")) as staged:
        if not os.path.exists(_dictionary(folder, split)):
            shutil.copyfile(_dictionary(split.cfg.task.data, split), _dictionary(staged, split))
        _write_sources(staged, split)
        write_whole(os.path.join(staged, f"{name}.oracle.json"), json.dumps(report, indent=1) + "\n")
        draw_heatmap(
            shares,
            {pair: f"{share:.1f} %" for pair, share in shares.items()},
            f"{name}: the oracle's depth ({report['metric']}, {report['labelled']:,} sentences)",
            "% of sentences",
            os.path.join(staged, f"{name}.oracle.png"),
        )
        results.labels.save(labels_file(staged, name))
        publish(staged, folder, last=os.path.basename(labels_file(folder, name)))


def _write_sources(folder: str, split: "Split") -> None:
    """Write the source sentences as fairseq-preprocess would."""
    from fairseq.data import indexed_dataset

    prefix = os.path.join(folder, f"{split.cfg.dataset.gen_subset}.{split.task.options.source_lang}")
    builder: Any = indexed_dataset.make_builder(
        f"{prefix}.bin", impl="mmap", vocab_size=len(split.task.source_dictionary)
    )
    for index in range(len(split.dataset)):
        builder.add_item(split.pairs.src[index])
    builder.finalize(f"{prefix}.idx")


def _summary(folder: str, results: "OracleResults", report: Dict[str, Any]) -> str:
    """A Markdown table of quality and time with and without the oracle, and the number of sentences without labels."""
    lines: List[str] = [
        f"| {report['split']} | BLEU | chrF | {report['metric']} of sentences | seconds |",
        "|:--|--:|--:|--:|--:|",
    ]
    deepest = results.labels.pairs[results.labels.deepest]
    for title, name in ((f"always {deepest}", "deepest"), ("oracle", "oracle")):
        values = " | ".join(f"{report[name][key]:.1f}" for key in ("bleu", "chrf", "quality", "seconds"))
        lines.append(f"| {title} | {values} |")
    lines += _unlabelled(results)
    lines.append(f"{folder}: labels of {report['labelled']:,} of {report['sentences']:,} sentences")
    return "\n".join(lines)


def _unlabelled(results: "OracleResults") -> Sequence[str]:
    lines = []
    if results.empty:
        lines.append(f"{results.empty} empty sentences have no labels")
    if results.skipped:
        lines.append(f"{results.skipped} sentences that are too long have no labels")
    return lines
