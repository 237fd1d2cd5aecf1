"""``fairseq-flexdepth sweep --task language_modeling``: perplexity and speed of language models at every depth."""

import argparse
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from fairseq_flexdepth.cli.eval_lm_options import parse_eval_lm_options
from fairseq_flexdepth.cli.fairseq_options import check_paths
from fairseq_flexdepth.cli.generate_options import FAIRSEQ, hides_progress
from fairseq_flexdepth.cli.launched_processes import choose_gpu
from fairseq_flexdepth.cli.machine_load import describe_load, warn_of_load
from fairseq_flexdepth.cli.report_options import check_report_options
from fairseq_flexdepth.depth.supported_depths import NO_ENCODER, DepthPair, parse_decoder_depths

if TYPE_CHECKING:
    from omegaconf import DictConfig

OF_TRANSLATION = ("references", "comet", "max_loss")  # options of sweep that need translations


def sweep_language_models(args: argparse.Namespace, fairseq_options: List[str], load: Optional[float]) -> str:
    """Score the text, write the report, and return the table or, with ``--json``, the rows.

    Args:
        args: the options of ``sweep``.
        fairseq_options: the options of fairseq-eval-lm.
        load: the machine's load average before the sweep.

    Raises:
        ValueError: an option is wrong.
    """
    config = parse_eval_lm_options(fairseq_options, "sweep")
    check_paths(args.path)
    given = [f"--{name.replace('_', '-')} {getattr(args, name)}" for name in OF_TRANSLATION if getattr(args, name)]
    given += [f"--engine {args.engine}"] * (args.engine != FAIRSEQ)
    if given:
        raise ValueError(f"{', '.join(given)}: needs translations, which a language model does not make; leave it out")
    check_report_options(args, config)
    depths = _depths(args, config)
    choose_gpu(config)
    return _sweep(args, config, depths, load)


def _depths(args: argparse.Namespace, config: "DictConfig") -> Optional[List[DepthPair]]:
    """The depths of ``--depths`` or of ``--dec-layers``; ``None`` for all."""
    depth = config.task.get("dec_layers")
    if args.depths is None:
        return None if depth is None else [(NO_ENCODER[0], depth)]
    if depth is not None:
        raise ValueError(f"--depths {args.depths}: names the depths; leave out --dec-layers")
    return parse_decoder_depths(args.depths, "--depths")


def _sweep(
    args: argparse.Namespace, config: "DictConfig", depths: Optional[List[DepthPair]], load_before: Optional[float]
) -> str:
    """Score the text and write the report; return the text to print."""
    import torch
    from tqdm import tqdm

    from fairseq_flexdepth.cli.machine import describe_machine
    from fairseq_flexdepth.cli.report.perplexity import json_text, table_text, write_report
    from fairseq_flexdepth.corpus.language_model_sweep import LanguageModelSweep
    from fairseq_flexdepth.corpus.loaded_models import uses_cuda

    load = describe_load(load_before, 1 if uses_cuda(config) else torch.get_num_threads())
    warn_of_load(load)
    sweep = LanguageModelSweep(config, args.path, depths)
    total = sum(map(len, sweep.pairs)) * args.repeat
    with tqdm(total=total, desc="scoring", unit="depth", disable=hides_progress(config)) as bar:
        rows, baseline = sweep.rows(args.repeat, args.budget, bar.update)
    machine = describe_machine(uses_cuda(config))
    facts: Dict[str, Any] = {
        "machine": machine, "load": load, "tokens": sweep.tokens, "baseline": baseline, "budget": args.budget,
    }  # fmt: skip
    write_report(args.output, rows, facts)
    return json_text(rows) if args.json else f"{table_text(rows)}\n{args.output}: the report"
