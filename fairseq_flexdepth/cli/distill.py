"""``fairseq-flexdepth distill``: training data translated by a teacher (Seq-KD and Seq-Inter, [kim2016] §3.2, §3.3)."""

import argparse
import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any, Dict, Sequence

from fairseq_flexdepth.cli.engines import EngineChoice, add_engine_arguments, check_engine
from fairseq_flexdepth.cli.fairseq_options import check_one_directory, parse_generation_options, quiet
from fairseq_flexdepth.cli.launched_processes import choose_gpu
from fairseq_flexdepth.cli.sharded_decoding import Shards, add_shard_arguments, choose_shard
from fairseq_flexdepth.corpus.hypothesis_filter import HYPOTHESIS_FILTERS, REASONS, DropRules
from fairseq_flexdepth.files.outputs import check_file, staging, write_whole

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fairseq_flexdepth.corpus.shards import ShardFile
    from fairseq_flexdepth.corpus.split import Split

NAME = "distill"
HELP = "translate training data with a teacher: a binarised data set for Seq-KD or Seq-Inter"

RECORD = "distill.json"

EXAMPLES = (
    "fairseq-flexdepth distill data-bin --path teacher.pt --dest kd-bin --beam 5",
    "fairseq-flexdepth distill data-bin --path teacher.pt --dest inter-bin --beam 35 --select sentence-bleu",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.usage = "%(prog)s DATA --path TEACHER --dest FOLDER [fairseq-generate options]"
    parser.epilog = (
        "All other options are options of fairseq-generate, with the same meaning; --gen-subset is train unless given. "
        "--num-shards N --shard-id I decodes one of N parts; --num-shards N --merge then puts them together. "
        "Processes that torchrun or srun has started share the work without these options. --engine ctranslate2 "
        "decodes each batch with CTranslate2; the options that it cannot follow are refused."
    )
    parser.add_argument(
        "--dest", required=True, metavar="FOLDER", help="the folder of the distilled data set, binarised"
    )
    parser.add_argument(
        "--select", choices=HYPOTHESIS_FILTERS, default="best",
        help="hypotheses to keep per source: the best; the one closest to the reference; all, weighted by their "
        "probabilities (with --sampling, too); or the best, together with the reference (default: best)",
    )  # fmt: skip
    parser.add_argument(
        "--max-length", type=int, metavar="N", help="drop pairs with more than N source or target tokens"
    )
    parser.add_argument(
        "--max-ratio", type=float, metavar="R",
        help="drop pairs if one side has more than R times the tokens of the other",
    )  # fmt: skip
    parser.add_argument("--drop-unknown", action="store_true", help="drop hypotheses that contain unknown words")
    parser.add_argument("--save-text", action="store_true", help="also write the distilled pairs as text")
    add_engine_arguments(parser)
    add_shard_arguments(parser)
    parser.add_argument(
        "--overwrite", action="store_true",
        help="replace a finished FOLDER, or the files of an unfinished run with other options",
    )  # fmt: skip
    parser.set_defaults(fairseq_options=[])


def run(args: argparse.Namespace) -> int:
    """Decode the training data, or one shard of it, and write the distilled data set.

    Raises:
        ValueError: an option is refused, a file is missing or damaged, or every source is dropped.
    """
    with quiet():
        check_engine(args)
        config = parse_generation_options(["--gen-subset", "train", *args.fairseq_options], NAME, args.engine)
        _check(args, config)
        message = _distill(args, config)
    print(message)
    return 0


def _check(args: argparse.Namespace, config: "DictConfig") -> None:
    """Refuse invalid or incompatible options before anything is loaded."""
    if args.max_length is not None and args.max_length < 1:
        raise ValueError(f"--max-length {args.max_length}: expected 1 or more")
    if args.max_ratio is not None and not args.max_ratio >= 1:
        raise ValueError(f"--max-ratio {args.max_ratio:g}: expected 1 or more")
    choose_shard(args, config)
    check_one_directory(config, "distill")
    generation = config.generation
    if generation.nbest not in (1, generation.beam):
        expected = f"expected {generation.beam}, the value of --beam"
        raise ValueError(f"--nbest {generation.nbest}: {expected}: all hypotheses are used")
    if config.scoring is not None and args.select != "sentence-bleu":
        raise ValueError(f"--scoring {config.scoring._name}: has no effect without --select sentence-bleu")
    check_file("--dest", args.dest)
    args.dest = os.path.realpath(args.dest)  # replace the folder that a link points to, not the link
    _check_destination(args.dest, args.overwrite)


def _check_destination(destination: str, overwrite: bool) -> None:
    if not os.path.lexists(destination):
        return
    if not os.path.isfile(os.path.join(destination, RECORD)):
        raise ValueError(f"--dest {destination}: exists and was not made by distill; expected a new folder")
    if not overwrite:
        raise ValueError(f"--dest {destination}: is already finished; --overwrite replaces it")


def _distill(args: argparse.Namespace, config: "DictConfig") -> str:
    """Decode the remaining batches; return the message to print."""
    from fairseq_flexdepth.corpus.distill import Distiller
    from fairseq_flexdepth.corpus.distilled_data import check_other_splits
    from fairseq_flexdepth.corpus.fingerprint import fingerprint, settings
    from fairseq_flexdepth.corpus.split import Split

    shards = Shards(f"{args.dest.rstrip(os.sep)}.work", config, args)
    choose_gpu(config)
    engine = EngineChoice(args, config)
    split = Split(config, combine=_combined(config))
    check_other_splits(split, _combined(config))
    if args.select == "sentence-bleu":
        split.warn_of_bleu()
    unknown = split.task.target_dictionary.unk() if args.drop_unknown else None
    rules = DropRules(args.max_length, args.max_ratio, unknown)
    distiller = Distiller(split, engine.build_teacher(split, args.select), args.select, rules)
    # The teacher does not read the references: do not drop a source whose reference is too long.
    positions = (split.max_positions[0], float("inf"))
    batches = split.batches(max_positions=positions, ignore_invalid_inputs=True)
    own = {name: getattr(args, name) for name in ("select", "max_length", "max_ratio", "drop_unknown")}
    shaped_by = settings(split, {**own, **engine.settings})
    header = fingerprint(shaped_by, split, batches)
    with contextlib.ExitStack() as stack:
        files = shards.finished(stack, header, batches, distiller.distill)
        return _merge(args, split, shards, files, shaped_by) if files else shards.message


def _combined(config: "DictConfig") -> bool:
    """Whether the split may have parts, NAME, NAME1 and so on, which fairseq-train joins into one."""
    return config.dataset.gen_subset == config.dataset.train_subset


def _merge(
    args: argparse.Namespace, split: "Split", shards: Shards, files: Sequence["ShardFile"], settings: Dict[str, Any]
) -> str:
    """Write DEST from the finished shards; return the message to print."""
    from fairseq_flexdepth.corpus.distilled_data import DistilledSplit, carry_over, check_readable, write_distilled
    from fairseq_flexdepth.corpus.hypothesis_filter import FilteredSource

    distilled = DistilledSplit(len(split.dataset))
    for file in files:
        for results in file.results():
            for result in results:
                distilled.add(FilteredSource(*result))
    dropped = ", ".join(f"{reason} {distilled.dropped[reason]}" for reason in REASONS)
    if not distilled.kept:
        shards.remove()  # or they would block a run with other options
        raise ValueError(f"--dest {args.dest}: not written, because every source was dropped: {dropped}")
    folder = os.path.join(shards.work, "finished")
    counts = {"sources": len(split.dataset), "kept": distilled.kept, "dropped": distilled.dropped}
    record = {**counts, "pairs": len(distilled), "settings": settings}
    with staging(folder):
        carry_over(folder, split, _combined(split.cfg))
        write_distilled(folder, split, distilled, weighted=args.select == "all", text=args.save_text)
        check_readable(folder, split)
        write_whole(os.path.join(folder, RECORD), json.dumps(record, indent=1) + "\n")
        _publish(folder, args.dest, args.overwrite, shards)
    return (
        f"{args.dest}: {len(distilled)} pairs; kept {distilled.kept} of {len(split.dataset)} sources\n"
        f"dropped: {dropped}"
    )


def _publish(folder: str, destination: str, overwrite: bool, shards: Shards) -> None:
    """Rename the finished *folder* to *destination*, and remove the shards and nothing else."""
    _check_destination(destination, overwrite)
    replaced = os.path.join(shards.work, "replaced")
    if os.path.isdir(destination):
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(destination, replaced)
    os.rename(folder, destination)
    shutil.rmtree(replaced, ignore_errors=True)
    shards.remove()
