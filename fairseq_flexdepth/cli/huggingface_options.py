"""The options of ``export`` that ``--format huggingface`` alone has."""

import argparse
import json
import math
import os
import shlex
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from fairseq_flexdepth.files.text import read_lines

if TYPE_CHECKING:
    from fairseq_flexdepth.export.huggingface.folder import Contents
    from fairseq_flexdepth.export.huggingface.model_card import MeasuredScore
    from fairseq_flexdepth.export.loaded_model import LoadedModel
    from fairseq_flexdepth.export.stock_checkpoint import StockModel

# fairseq-generate's defaults.
DEFAULTS = {"beam": 5, "lenpen": 1.0, "max_len_b": 200}
COMMON = ("path", "enc_layers", "dec_layers", "subnetworks", "data", "format", "output")  # options of every format
NAMES = ("sentencepiece_model", "bpe_codes", *DEFAULTS, "sweep")


def add_huggingface_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options. All are ``None`` if not given, so that other formats can refuse them."""
    group = parser.add_argument_group("with --format huggingface")
    group.add_argument(
        "--sentencepiece-model", nargs="+", metavar="FILE",
        help="sentencepiece's model, for both languages or the source's and then the target's",
    )  # fmt: skip
    group.add_argument(
        "--bpe-codes", metavar="FILE", help="subword-nmt's codes; the tokenizer splits text by Moses' rules before"
    )
    group.add_argument("--beam", type=int, metavar="N", help="beam size of the folder's search (default: 5)")
    group.add_argument("--lenpen", type=float, metavar="X", help="its length penalty (default: 1)")
    group.add_argument("--max-len-b", type=int, metavar="N", help="its maximum tokens per translation (default: 200)")
    group.add_argument("--sweep", metavar="FILE", help="a sweep.json, whose BLEU the model card repeats")


def refuse_huggingface_options(args: argparse.Namespace) -> None:
    """Check that none of the options is given.

    Raises:
        ValueError: one is; the message names all of them.
    """
    given = [f"--{name.replace('_', '-')}" for name in NAMES if getattr(args, name) is not None]
    if given:
        raise ValueError(f"{', '.join(given)}: needs --format huggingface")


def check_huggingface_options(args: argparse.Namespace) -> None:
    """Check the options that are given.

    Raises:
        ValueError: a value is out of its range, a file is missing, or two tokenizers are given.
    """
    for name in ("beam", "max_len_b"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} {value}: expected 1 or more")
    if args.lenpen is not None and not math.isfinite(args.lenpen):
        raise ValueError(f"--lenpen {args.lenpen}: expected a number")
    models: List[str] = args.sentencepiece_model or []
    if len(models) > 2:
        given = " ".join(models)
        raise ValueError(f"--sentencepiece-model {given}: expected one file, or the source's and the target's")
    if models and args.bpe_codes:
        raise ValueError(f"--bpe-codes {args.bpe_codes}: expected no --sentencepiece-model beside it")
    for option, paths in (
        ("--sentencepiece-model", models), ("--bpe-codes", [args.bpe_codes]), ("--sweep", [args.sweep])
    ):  # fmt: skip
        for path in filter(None, paths):
            if not os.path.isfile(path):
                raise ValueError(f"{option} {path}: no such file")


def folder_contents(
    args: argparse.Namespace, loaded: "LoadedModel", stock: "StockModel", parameters: int
) -> "Contents":
    """The options as the exporter takes them.

    Raises:
        ValueError: a file does not fit the model or the depth.
    """
    from fairseq_flexdepth.export.huggingface.configuration import Search
    from fairseq_flexdepth.export.huggingface.folder import Contents
    from fairseq_flexdepth.export.huggingface.model_card import CardFacts
    from fairseq_flexdepth.export.huggingface.subwords import Subwords, check_subwords
    from fairseq_flexdepth.export.loaded_model import longest_sentences

    subwords = Subwords(args.sentencepiece_model or (), args.bpe_codes)
    check_subwords(loaded, subwords)
    given = {name: getattr(args, name) for name in DEFAULTS if getattr(args, name) is not None}
    search = Search(**{**DEFAULTS, **given})
    search = search._replace(max_len_b=min(search.max_len_b, longest_sentences(loaded)[1]))
    data = os.path.basename(os.path.abspath(loaded.task.cfg.data.split(os.pathsep)[0]))
    score = None if args.sweep is None else _score(args.sweep, args.path, stock)
    return Contents(subwords, search, CardFacts(_command(args), data, parameters, score))


def _command(args: argparse.Namespace) -> str:
    """The command line with the options that are given."""
    words = ["fairseq-flexdepth", "export"]
    for name in (*COMMON, *NAMES):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def _score(path: str, checkpoint: str, stock: "StockModel") -> "MeasuredScore":
    """BLEU of the checkpoint at the depth."""
    from fairseq_flexdepth.export.huggingface.model_card import MeasuredScore

    try:
        rows: List[Dict[str, Any]] = json.loads("\n".join(read_lines(path, "--sweep")))
        pairs = {(os.path.realpath(row["path"]), row["enc_layers"], row["dec_layers"]): row for row in rows}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"--sweep {path}: expected a sweep.json of fairseq-flexdepth sweep") from error
    n, m = (len(positions) for positions in stock.positions)
    row: Optional[Dict[str, Any]] = pairs.get((os.path.realpath(checkpoint), n, m))
    if row is None:
        raise ValueError(f"--sweep {path}: has no row of --path {checkpoint} at depth {n}-{m}")
    return MeasuredScore(row["bleu"], row["sentences"], row["beam"], row["bleu_signature"])
