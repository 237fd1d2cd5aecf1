"""``fairseq-flexdepth sweep``: a report of translation quality and decoding speed at every depth pair."""

import argparse
import functools
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from fairseq_flexdepth.cli.engines import EngineChoice, add_engine_arguments, check_engine
from fairseq_flexdepth.cli.eval_lm_options import is_of_language_model
from fairseq_flexdepth.cli.fairseq_options import check_paths, parse_generation_options, quiet
from fairseq_flexdepth.cli.generate_options import hides_progress
from fairseq_flexdepth.cli.language_model_sweep import sweep_language_models
from fairseq_flexdepth.cli.launched_processes import choose_gpu, launched_process
from fairseq_flexdepth.cli.machine_load import describe_load, load_average, warn_of_load
from fairseq_flexdepth.cli.report_options import check_report_options
from fairseq_flexdepth.depth.supported_depths import DepthPair, parse_pairs

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fairseq_flexdepth.corpus.scores import CometScorer
    from fairseq_flexdepth.corpus.shards import ShardFile
    from fairseq_flexdepth.corpus.split import Split
    from fairseq_flexdepth.corpus.sweep import ModelDepth, Sweep

NAME = "sweep"
HELP = "decode a test set at every depth pair; report quality and speed as a web page, plots, JSON and CSV"

EPILOG = (
    "All other options are options of fairseq-generate, with the same meaning; --enc-layers or --dec-layers keeps only "
    "the depth pairs that have this depth. --draft-dec-layers adds rows with drafts (needs --beam 1). Seconds are the "
    "time of the encoder and of the search. The encoder runs once for all depth pairs of a model; each pair is charged "
    "for the encoder layers that it uses. Loading, batching and a warm-up batch are not counted. Words per second are "
    "source words, separated by white space, after --post-process, --bpe and --tokenizer have restored the text. With "
    "--batch-size 1, p50 and p95 are percentiles of the milliseconds per sentence. --engine ctranslate2 measures the "
    "runtime that serves a model; the options that it cannot follow are refused. An interrupted sweep resumes when you "
    "give the same command again. With --task language_modeling the options are those of fairseq-eval-lm, and the "
    "report has the perplexity and the tokens per second of every decoder depth."
)

DEPTHS = "depth pairs, encoder-decoder: 1-1,3-2; of language models decoder depths: 1,3 (default: all)"

COMPARISON = (
    "BLEU and chrF are compared with those of the first model's deepest depth pair by sacrebleu's paired bootstrap "
    "(1,000 samples); a depth pair is significantly worse if its BLEU is lower with p < 0.05. With --scoring wer, the "
    "word error rate takes the place of BLEU: lower is better."
)

EXAMPLES = (
    "fairseq-flexdepth sweep data-bin --path checkpoint_best.pt --output report --beam 4 --budget 0.5 --max-loss 0.5",
    "fairseq-flexdepth sweep data-bin --path a.pt --path b.pt --output report --depths 1-1,3-3 --repeat 3 "
    "--engine ctranslate2 --quantization float32,int8",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command; the options of fairseq-generate are parsed later."""
    parser.usage = "%(prog)s DATA --path CHECKPOINT --output FOLDER [fairseq-generate options]"
    parser.epilog = f"{EPILOG} {COMPARISON}"
    parser.add_argument(
        "--path", action="append", default=[], metavar="CHECKPOINT",
        help="a model, or an ensemble a.pt:b.pt; repeat the option to compare several models",
    )  # fmt: skip
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder for the report")
    parser.add_argument("--depths", metavar="N-M,...", help=DEPTHS)
    parser.add_argument(
        "--references", metavar="FILE", help="raw references, one sentence per line, instead of the target side of DATA"
    )
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="K",
        help="decode each batch K times and report the median time; use 3 for times to publish (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=float, metavar="SHARE",
        help="name the best depth pair that needs at most this share of the time of the first model's "
        "deepest depth pair, such as 0.5",
    )  # fmt: skip
    parser.add_argument(
        "--max-loss", type=float, metavar="LOSS",
        help="name the fastest depth pair that loses at most this BLEU or WER against the first model's deepest depth "
        "pair, such as 0.5",
    )  # fmt: skip
    parser.add_argument("--comet", metavar="MODEL", help="also compute COMET; needs the package unbabel-comet")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a report, or an unfinished run with other options"
    )
    parser.add_argument("--json", action="store_true", help="print sweep.json instead of the table")
    add_engine_arguments(parser, several=True)
    parser.set_defaults(fairseq_options=[])


def run(args: argparse.Namespace) -> int:
    """Decode, write the report, and print it as text or JSON.

    Of several processes that ``torchrun`` or ``srun`` has started, only the first decodes: times are measured alone.
    """
    process = launched_process(arrays=False)
    if process.number > 0:
        print(f"process {process.number} of {process.processes}: nothing to do, process 0 sweeps", file=sys.stderr)
        return 0
    with quiet():
        load = load_average()  # before this process loads anything
        check_engine(args, several=True)
        given = [*(["--path", args.path[0]] if args.path else []), *args.fairseq_options]
        sweep = sweep_language_models if is_of_language_model(given) else _sweep_translations
        text = sweep(args, given, load)
    print(text)
    return 0


def _sweep_translations(args: argparse.Namespace, given: List[str], load: Optional[float]) -> str:
    """Sweep translation models, with the options of fairseq *given*; return the text to print."""
    config = parse_generation_options(given, NAME, args.engine, args.path)
    check_paths(args.path)
    depths, draft = _check(args, config), _draft_of(config)
    return _sweep(args, config, depths, draft, load)


def _check(args: argparse.Namespace, config: "DictConfig") -> Optional[List[DepthPair]]:
    """Refuse wrong options; return the depth pairs of ``--depths``, or ``None`` without it."""
    if args.max_loss is not None and not 0 <= args.max_loss <= 100:
        raise ValueError(f"--max-loss {args.max_loss:g}: expected a loss from 0 to 100")
    check_report_options(args, config)
    if args.depths is None:
        return None
    if _given_depth(config) != (None, None):
        raise ValueError(f"--depths {args.depths}: names both depths; leave out --enc-layers and --dec-layers")
    return parse_pairs(args.depths, "--depths")


def _draft_of(config: "DictConfig") -> Dict[str, Any]:
    """Take the options of drafts out of *config*, which is for the rows without drafts; empty without the option."""
    from fairseq_flexdepth.decoding.greedy_options import AUTO, NAMES, asked_options

    options = asked_options(config.task)
    if options is None or options.layers is None:
        return {}
    if options.layers == AUTO:
        raise ValueError(f"{options.cause}: expected a number of layers, sweep measures one choice")
    draft = {name: config.task[name] for name in NAMES if name != "fast_greedy"}
    for name in draft:
        config.task[name] = None
    return draft


def _sweep(
    args: argparse.Namespace,
    config: "DictConfig",
    depths: Optional[List[DepthPair]],
    draft: Dict[str, Any],
    load_before: Optional[float],
) -> str:
    """Decode the remaining batches and write the report; return the text to print."""
    from fairseq_flexdepth.cli.machine import describe_machine
    from fairseq_flexdepth.cli.report.columns import file_values
    from fairseq_flexdepth.cli.report.facts import collect_facts
    from fairseq_flexdepth.cli.report.files import write_report
    from fairseq_flexdepth.cli.report.terminal import summary
    from fairseq_flexdepth.corpus.fingerprint import fingerprint, settings
    from fairseq_flexdepth.corpus.shards import ShardFile
    from fairseq_flexdepth.corpus.speech_split import open_split
    from fairseq_flexdepth.corpus.sweep import Sweep, SweepResults

    choose_gpu(config)
    engine = EngineChoice(args, config)
    load = describe_load(load_before, engine.threads)
    warn_of_load(load)
    split = open_split(config, args.path)
    split.warn_of_bleu()
    references = _references(args.references, split)
    comet = _comet(args.comet, engine.use_cuda)
    built = engine.build(split, depths or _pairs_of_given_depth(split), compare=True, draft=draft)
    sweep = Sweep(split, built, args.repeat)
    batches = split.batches()
    if not batches:
        raise ValueError(f"--gen-subset {config.dataset.gen_subset}: every sentence is too long to decode")
    machine = describe_machine(engine.use_cuda)
    own = {"depths": [list(pair) for pair in sweep.pairs], "repeats": args.repeat, **draft}
    determining = settings(split, {**own, **engine.settings, **engine.timed_settings})
    header = {**fingerprint(determining, split, batches), "machine": machine}
    work = os.path.join(args.output, "unfinished.jsonl")
    with ShardFile(work, range(len(batches)), header, args.overwrite) as shard:
        _decode(sweep, shard, batches)
        results = SweepResults(sweep, batches, shard.results())
        sources = [split.source_text(index) for index in range(len(split.dataset))]
        score = functools.partial(comet, sources) if comet else None
        table = results.table(sources, references, score, args.budget, args.max_loss)
        words, ran = results.source_words(sources), engine.facts
        facts = collect_facts(args, results, table, words, machine, load, ran, determining)
        write_report(args.output, results, table, facts, sources, references)
        os.remove(work)
    return json.dumps(file_values(table.rows), indent=1) if args.json else summary(args.output, table, facts)


def _decode(sweep: "Sweep", shard: "ShardFile", batches: Sequence[Sequence[int]]) -> None:
    """Decode the remaining batches."""
    from tqdm import tqdm

    per_batch = len(sweep.model_depths) * sweep.repeats
    total, done = len(batches) * per_batch, shard.done * per_batch
    several = len(sweep.split.paths) > 1
    hidden = hides_progress(sweep.split.cfg)
    with tqdm(total=total, initial=done, desc="decoding", unit="batch", disable=hidden) as bar:

        def progress(depth: "ModelDepth") -> None:
            model = f"model {depth.model + 1}, " if several else ""
            weights = f", {depth.quantization}" if depth.quantization else ""
            bar.set_postfix_str(f"{model}encoder {depth.pair[0]}, decoder {depth.pair[1]}{weights}", refresh=False)
            bar.update()

        for number in shard.remaining:
            shard.append(sweep.decode(number, batches[number], progress))


def _given_depth(config: "DictConfig") -> Tuple[Optional[int], Optional[int]]:
    """``--enc-layers`` and ``--dec-layers``."""
    return getattr(config.task, "enc_layers", None), getattr(config.task, "dec_layers", None)


def _pairs_of_given_depth(split: "Split") -> Optional[List[DepthPair]]:
    """The depth pairs with the depth that ``--enc-layers`` or ``--dec-layers`` gives; ``None`` for all."""
    from fairseq_flexdepth.decoding.model_depth import common_pairs


    n, m = _given_depth(split.cfg)
    if n is None and m is None:
        return None
    pairs = {pair for models in split.ensembles for pair in common_pairs(models)}
    return sorted(pair for pair in pairs if n in (None, pair[0]) and m in (None, pair[1]))


def _references(path: Optional[str], split: "Split") -> List[str]:
    """The references in the order of the data: the lines of *path*, or the target side."""
    from fairseq_flexdepth.files.text import read_lines

    if path is None:
        split.require_references("sweep without --references")
        return [split.reference_text(index) for index in range(len(split.dataset))]
    lines = read_lines(path, "--references")
    if len(lines) != len(split.dataset):
        raise ValueError(
            f"--references {path}: has {len(lines)} lines; expected {len(split.dataset)}, one per sentence"
        )
    return lines


def _comet(name: Optional[str], use_cuda: bool) -> "Optional[CometScorer]":
    """The model that ``--comet`` names."""
    from fairseq_flexdepth.corpus.scores import CometScorer

    return None if name is None else CometScorer(name, use_cuda)
