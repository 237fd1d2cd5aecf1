"""``fairseq-flexdepth curves``: validation results per depth pair over the updates, trainings side by side."""

import argparse
import json
import math
import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.cli.markdown import aligned_table
from fairseq_flexdepth.depth.supported_depths import (
    DEPTH_SUFFIX,
    DepthPair,
    parse_decoder_depths,
    parse_pairs,
    written_pair,
)
from fairseq_flexdepth.files.outputs import check_file
from fairseq_flexdepth.files.text import read_lines
from fairseq_flexdepth.files.training_log import validations

NAME = "curves"
HELP = "draw the validation loss and BLEU of every depth pair over the updates, several trainings side by side"

EXAMPLES = (
    "fairseq-flexdepth curves train.log --output curves.png",
    "fairseq-flexdepth curves tied=tied.log shared=shared.log --output curves.png --depths 1-1,3-3,6-6",
)
EPILOG = (
    "LOG is what fairseq-train printed, or its --log-file, in any --log-format but none. The table names the best "
    "value of each curve, the update of the best value, and the last value. --json prints all values."
)


class Metric(NamedTuple):
    """Something that validation logs per depth pair, and for the model as a whole."""

    of_a_pair: str  # what the name of a pair's value begins with
    of_the_model: str
    title: str
    more_is_better: bool


METRICS = (
    Metric("nll", "nll_loss", "negative log-likelihood, bits per token", more_is_better=False),
    Metric("bleu", "bleu", "BLEU", more_is_better=True),
)


class Curve(NamedTuple):
    """A metric at a depth pair over the updates of a training; without a pair, that of the model as a whole.

    A language model has no encoder: the encoder depth of its pairs is 0.
    """

    metric: Metric
    pair: Optional[DepthPair]
    values: Dict[int, float]  # by update

    def best(self) -> Tuple[int, float]:
        """The update with the best value, and this value."""
        choose = max if self.metric.more_is_better else min
        return choose(self.values.items(), key=lambda point: point[1])


class Run(NamedTuple):
    """A training: its name, its log and its curves."""

    name: str
    log: str
    curves: List[Curve]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.epilog = EPILOG
    parser.add_argument("logs", nargs="+", metavar="LOG", help="the log of a training, or NAME=LOG to name it")
    parser.add_argument("--output", required=True, metavar="FILE", help="the picture to write, a PNG file")
    parser.add_argument(
        "--depths", metavar="N-M,...",
        help="depth pairs, encoder-decoder: 1-1,3-2; of language models decoder depths: 1,3 (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--valid-subset", default="valid", metavar="NAME", help="the validation set (default: valid)"
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def run(args: argparse.Namespace) -> int:
    """Write the picture; print the table or JSON.

    Raises:
        ValueError: a log is missing or has no validation, no training has a depth pair of ``--depths``, or two
            trainings have one name.
    """
    check_file("--output", args.output)
    pairs = None if args.depths is None else _asked_pairs(args.depths)
    trainings = [read_run(given, args.valid_subset, pairs) for given in args.logs]
    names = [training.name for training in trainings]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"LOG {name}: given twice; expected different logs, or different names NAME=LOG")
    from fairseq_flexdepth.cli.report.curves_plot import draw_curves

    with quiet():  # matplotlib's log
        draw_curves(trainings, args.output)
    if args.json:
        print(json.dumps({"runs": [_values(training) for training in trainings]}, indent=1))
    else:
        print("\n".join([*table(trainings), f"{args.output}: the curves"]))
    return 0


def _asked_pairs(text: str) -> List[DepthPair]:
    """The depth pairs of ``--depths``; a list of single depths is for language models."""
    parse = parse_decoder_depths if re.fullmatch(r"[\d, ]+", text) else parse_pairs
    return parse(text, "--depths")


def read_run(given: str, subset: str, pairs: Optional[Sequence[DepthPair]] = None) -> Run:
    """Read a log.

    Args:
        given: the log's path, or NAME=LOG.
        subset: the name of the validation set.
        pairs: the depth pairs to keep (default: all).

    Raises:
        ValueError: there is no such file, or it has no validation, or none at the depth pairs.
    """
    name, equals, path = given.partition("=")
    if not equals or os.path.exists(given):
        name, path = given, given
    found = validations(read_lines(path, "LOG"), subset)
    curves = [curve for metric in METRICS for curve in _curves(found, metric)]
    if not curves:
        raise ValueError(f"LOG {path}: has no validation on {subset}; expected the log of fairseq-train")
    kept = [curve for curve in curves if pairs is None or curve.pair is None or curve.pair in pairs]
    if not kept:
        there = ", ".join(sorted({written_pair(curve.pair) for curve in curves if curve.pair}))
        raise ValueError(f"--depths {', '.join(map(written_pair, pairs or ()))}: {path} has {there}")
    return Run(name, path, kept)


def _curves(found: Sequence[Dict[str, float]], metric: Metric) -> List[Curve]:
    """The curves of a metric: one per depth pair, or that of the model if no pairs are logged."""
    by_pair: Dict[Optional[DepthPair], Dict[int, float]] = {}
    whole: Dict[int, float] = {}
    for numbers in found:
        update = int(numbers["num_updates"])  # a resumed training repeats updates: the later values count
        for name, value in numbers.items():
            pair = re.fullmatch(rf"{metric.of_a_pair}_{DEPTH_SUFFIX}", name)
            if pair and math.isfinite(value):
                by_pair.setdefault((int(pair[1] or 0), int(pair[2])), {})[update] = value
        if math.isfinite(numbers.get(metric.of_the_model, math.nan)):
            whole[update] = numbers[metric.of_the_model]
    if not by_pair and whole:
        by_pair[None] = whole
    return [Curve(metric, pair, by_pair[pair]) for pair in sorted(by_pair, key=lambda pair: pair or (0, 0))]


def table(trainings: Sequence[Run]) -> List[str]:
    """The lines of a Markdown table: the best and the last value of every curve."""
    rows = [["training", "metric", "encoder", "decoder", "best", "at update", "last"]]
    for training in trainings:
        for curve in training.curves:
            update, best = curve.best()
            last = curve.values[max(curve.values)]
            name = curve.metric.of_a_pair if curve.pair else curve.metric.of_the_model
            depths = [str(depth or "") for depth in curve.pair or ("", "")]
            rows.append([training.name, name, *depths, f"{best:.2f}", f"{update:,}", f"{last:.2f}"])
    return aligned_table(rows, [True, True, False, False, False, False, False])


def _values(training: Run) -> Dict[str, Any]:
    """A training and its curves, as JSON holds them; depths are null for the model as a whole."""
    return {
        "name": training.name,
        "log": training.log,
        "curves": [
            {
                "metric": curve.metric.of_a_pair if curve.pair else curve.metric.of_the_model,
                "enc_layers": (curve.pair[0] or None) if curve.pair else None,
                "dec_layers": curve.pair[1] if curve.pair else None,
                "updates": sorted(curve.values),
                "values": [curve.values[update] for update in sorted(curve.values)],
            }
            for curve in training.curves
        ],
    }
