"""``report.json``: data, models, options and machine of a sweep; and the command for each of its rows."""

import argparse
import os
import shlex
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, TypedDict

from fairseq_flexdepth.cli.fairseq_options import PACKAGE
from fairseq_flexdepth.corpus.paired_bootstrap import LEVEL, SAMPLES, SEED
from fairseq_flexdepth.corpus.sweep_rows import SweepRow, SweepTable

if TYPE_CHECKING:
    from fairseq_flexdepth.corpus.split import Split
    from fairseq_flexdepth.corpus.sweep import SweepResults


# The options of drafts, by the names that they have in the settings.
DRAFT_OPTIONS = {
    "--draft-dec-layers": "draft_dec_layers",
    "--draft-tokens": "draft_tokens",
    "--draft-vocabulary": "draft_vocabulary",
}


class ModelFacts(TypedDict):
    """The facts about one model: one ``--path``."""

    path: str
    name: str
    has_depths: bool  # takes --enc-layers and --dec-layers


class EngineFacts(TypedDict, total=False):
    """The facts about the engine; all but the name are CTranslate2's."""

    engine: str  # fairseq, or CTranslate2 with its version
    quantization: List[str]
    inter_threads: int
    intra_threads: int


class Facts(TypedDict):
    """The content of ``report.json``."""

    data: str
    split: str
    languages: List[str]
    sentences: int  # decoded
    skipped: int  # too long to decode
    source_words: Optional[int]  # None where the source is speech
    references: Optional[str]
    models: List[ModelFacts]
    baseline: Dict[str, Any]
    budget: Optional[Dict[str, Any]]
    not_worse: Optional[Dict[str, Any]]  # the fastest depth pair that is not significantly worse than the baseline
    max_loss: Optional[Dict[str, Any]]
    test: Dict[str, Any]  # of the difference to the baseline
    bleu_signature: Optional[str]  # None with --scoring wer
    wer_signature: Optional[str]
    chrf_signature: str
    comet_model: Optional[str]
    repeats: int
    precision: str  # of the weights
    engine: EngineFacts
    load: Dict[str, Any]  # of the machine, before the run that finished the sweep
    options: List[str]  # of fairseq-generate, without depths
    date: str
    machine: Dict[str, Any]
    settings: Dict[str, Any]


def collect_facts(
    args: argparse.Namespace,
    results: "SweepResults",
    table: SweepTable,
    source_words: Optional[int],
    machine: Dict[str, Any],
    load: Dict[str, Any],
    engine: EngineFacts,
    settings: Dict[str, Any],
) -> Facts:
    """The content of ``report.json``.

    Args:
        args: the options of the sub-command.
        results: the decoded split.
        table: its rows.
        source_words: the number of words in the decoded sentences; ``None`` where they are speech.
        machine: the machine and the versions of packages.
        load: how busy it was.
        engine: the engine that decoded.
        settings: all options that determine the results.
    """
    split = results.sweep.split
    return {
        "data": split.cfg.task.data,
        "split": split.cfg.dataset.gen_subset,
        "languages": split.languages,
        "sentences": len(results.decoded),
        "skipped": len(split.dataset) - len(results.decoded),
        "source_words": source_words,
        "references": args.references,
        "models": [_model_facts(table.of_model(system)[0], split) for system in table.systems],
        "baseline": {
            **_values(table.baseline, "path", "enc_layers", "dec_layers", "seconds"),
            **_weights(table.baseline),
        },
        "budget": budget_facts(table),
        "not_worse": row_facts(table.not_worse),
        "max_loss": loss_facts(table),
        "test": {"name": "paired bootstrap", "samples": SAMPLES, "seed": SEED, "level": LEVEL},
        "bleu_signature": table.baseline.bleu_signature,
        "wer_signature": table.baseline.wer_signature,
        "chrf_signature": table.baseline.chrf_signature,
        "comet_model": args.comet,
        "repeats": args.repeat,
        "precision": ", ".join(engine.get("quantization", ["fp16" if split.cfg.common.fp16 else "fp32"])),
        "engine": engine,
        "load": load,
        "options": _without_depths(args.fairseq_options),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": machine,
        "settings": settings,
    }


def _model_facts(row: SweepRow, split: "Split") -> ModelFacts:
    """The facts about the model of *row*."""
    models = split.ensembles[split.paths.index(row.path)]
    has_depths = any(hasattr(model, "set_depth") for model in models)
    return {"path": row.path, "name": row.model, "has_depths": has_depths}


def budget_facts(table: SweepTable) -> Optional[Dict[str, Any]]:
    """``--budget`` and the best row within it; ``None`` without the option."""
    return None if table.budget is None else {"share": table.budget, "best": row_facts(table.within_budget)}


def loss_facts(table: SweepTable) -> Optional[Dict[str, Any]]:
    """``--max-loss`` and the fastest row within it; ``None`` without the option."""
    if table.max_loss is None:
        return None
    return {table.measure.key: table.max_loss, "fastest": row_facts(table.within_loss)}


def row_facts(row: Optional[SweepRow]) -> Optional[Dict[str, Any]]:
    """A recommended row; ``None`` if there is none."""
    if row is None:
        return None
    score = row.measure.key
    keys = ("path", "enc_layers", "dec_layers", score, f"{score}_p_value", "relative_seconds")
    return {**_values(row, *keys), **_weights(row)}


def _weights(row: SweepRow) -> Dict[str, Any]:
    """The type of a row's weights; nothing with fairseq's engine."""
    return {} if row.quantization is None else _values(row, "quantization")


def _values(row: SweepRow, *keys: str) -> Dict[str, Any]:
    return {key: getattr(row, key) for key in keys}


def _without_depths(options: Sequence[str]) -> List[str]:
    """fairseq-generate's options as the user typed them, without depths and without our own --user-dir."""
    kept: List[str] = []
    rest = iter(options)
    for option in rest:
        name, equals, value = option.partition("=")
        if name in ("--enc-layers", "--dec-layers", "--user-dir", *DRAFT_OPTIONS):
            value = value if equals else next(rest, "")
            if name == "--user-dir" and os.path.basename(value.rstrip("/")) != PACKAGE:
                kept += [name, value]
        else:
            kept.append(option)
    return kept


def command_of(facts: Facts, row: SweepRow) -> str:
    """The command for the model and the depth pair of *row*: fairseq-generate, or the export for CTranslate2."""
    model = next(model for model in facts["models"] if model["path"] == row.path)
    depth = ["--enc-layers", str(row.enc_layers), "--dec-layers", str(row.dec_layers)] if model["has_depths"] else []
    if row.quantization is not None:
        words = ["fairseq-flexdepth", "export", "--path", row.path, "--data", facts["data"], *depth]
        if facts["settings"].get("subnetworks") is not None:
            words += ["--subnetworks", facts["settings"]["subnetworks"]]
        words += ["--format", "ctranslate2", "--quantization", row.quantization]
        return shlex.join([*words, "--output", f"e{row.enc_layers}d{row.dec_layers}-{row.quantization}"])
    words = ["fairseq-generate", *facts["options"], "--path", row.path]
    if "--user-dir" not in words:
        words += ["--user-dir", "fairseq_flexdepth"]
    words += depth
    if row.draft_dec_layers:
        given = {option: facts["settings"].get(name) for option, name in DRAFT_OPTIONS.items()}
        words += [str(word) for option, value in given.items() if value is not None for word in (option, value)]
    return shlex.join(words)
