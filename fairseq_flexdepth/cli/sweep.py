"""``fairseq-flexdepth sweep``: translation quality and decoding speed at every depth."""

import argparse
import json
import os
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from fairseq_flexdepth.cli.fairseq_options import parse_generation_options, quiet
from fairseq_flexdepth.cli.files import write_whole

if TYPE_CHECKING:
    from fairseq_flexdepth.decoding.split import TranslatedSplit

NAME = "sweep"
HELP = "decode a test set at every depth: quality and speed as a table, sweep.json and a heatmap"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s DATA --path CHECKPOINT --output FOLDER [fairseq-generate options]"
    parser.epilog = "All other options are those of fairseq-generate, with the same meaning."
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where the results go")
    parser.add_argument("--json", action="store_true", help="print sweep.json instead of the table")
    parser.set_defaults(fairseq_options=[])


def run(args: argparse.Namespace) -> int:
    with quiet():
        config = parse_generation_options(args.fairseq_options)
        if config.task.get("depth_selector") is not None:
            raise ValueError("--depth-selector: sweep decodes at every depth; leave it out")
        from fairseq_flexdepth.decoding.split import TranslatedSplit

        split = TranslatedSplit(config)
        os.makedirs(args.output, exist_ok=True)
        rows, translations = _decode_every_depth(split)
        _draw(rows, os.path.join(args.output, "heatmap.png"))
    for name, lines in translations.items():
        write_whole(os.path.join(args.output, f"{name}.txt"), "".join(f"{line}\n" for line in lines))
    text = json.dumps(rows, indent=1)
    write_whole(os.path.join(args.output, "sweep.json"), text + "\n")
    print(text if args.json else table(rows))
    return 0


def _decode_every_depth(split: "TranslatedSplit") -> Tuple[List[Dict[str, Any]], Dict[str, List[str]]]:
    """A row of results for every depth pair, and all texts: source, reference and e<n>d<m>."""
    from tqdm import tqdm

    from fairseq_flexdepth.decoding.corpus_scores import corpus_scores

    next(split.translate(split.pairs[-1]))  # the first batch of all is slow, whatever its depth
    rows = []
    texts = {"source": split.sources, "reference": split.references}
    with tqdm(total=len(split.pairs) * len(split.batches()), desc="decoding", unit="batch") as progress:
        for n, m in split.pairs:
            progress.set_postfix_str(f"encoder {n}, decoder {m}")
            for result in split.translate((n, m)):
                if result is None:
                    progress.update()
                    continue
                texts[f"e{n}d{m}"] = result.hypotheses
                rows.append(
                    {
                        "enc_layers": n,
                        "dec_layers": m,
                        **corpus_scores(result.hypotheses, split.references),
                        "seconds": round(result.seconds, 3),
                        "sentences_per_second": round(len(result.hypotheses) / result.seconds, 2),
                        "sentences": len(result.hypotheses),
                        "beam": split.cfg.generation.beam,
                    }
                )
    return rows, texts


def _draw(rows: List[Dict[str, Any]], path: str) -> None:
    from fairseq_flexdepth.cli.heatmap import draw_heatmap

    pairs = [(row["enc_layers"], row["dec_layers"]) for row in rows]
    draw_heatmap(
        {pair: row["bleu"] for pair, row in zip(pairs, rows)},
        {
            pair: f"{row['bleu']:.1f}\n{row['sentences_per_second']:.0f} sent/s"
            for pair, row in zip(pairs, rows)
        },
        "BLEU and speed at every depth",
        "BLEU",
        path,
    )


def table(rows: List[Dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = ["| encoder | decoder |  BLEU |  chrF | seconds | sentences/s |", "|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        lines.append(
            f"| {row['enc_layers']:>7} | {row['dec_layers']:>7} | {row['bleu']:>5.1f} | {row['chrf']:>5.1f} "
            f"| {row['seconds']:>7.1f} | {row['sentences_per_second']:>11.1f} |"
        )
    return "\n".join(lines)
