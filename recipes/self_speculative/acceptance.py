"""How many drafted words each system of a ``WORK_DIR`` accepts, and its BLEU, by greedy search of the test set.

    python -m recipes.self_speculative.acceptance WORK_DIR [--cpu]

``agreement.sh`` trains the systems. The table, means over seeds ± the sample standard deviation, goes to
``WORK_DIR/agreement.md``.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Dict, List

import sacrebleu

from fairseq_flexdepth.cli.fairseq_options import parse_generation_options
from fairseq_flexdepth.corpus.split import Split
from recipes.common.data.files import written_whole
from recipes.common.markdown import markdown_table

DEPTHS = (1, 2)  # that draft
WORDS = 4  # per draft


def measured(checkpoint: Path, data: Path, cpu: bool) -> Dict[str, float]:
    """Decode the test set with drafts.

    Returns:
        BLEU of the deepest exit, and for each drafting depth the share of accepted words and the words per check.
    """
    options = [data, "--path", checkpoint, "--gen-subset", "test", "--beam", 1, "--max-tokens", 4000]
    options += ["--post-process", "sentencepiece", *(["--cpu"] if cpu else [])]
    split = Split(parse_generation_options(list(map(str, options))))
    found: Dict[str, float] = {}
    for depth in DEPTHS:
        generator = split.build_generator(draft_dec_layers=str(depth), draft_tokens=WORDS)
        report = generator.drafting.report  # the task makes a new one after the last batch
        lines: Dict[int, str] = {}
        for batch in split.batches():
            sample = split.sample(batch)  # sorted by length
            for number, hypotheses in zip(sample["id"].tolist(), split.search(generator, sample)):
                lines[number] = split.target_text(hypotheses[0]["tokens"].tolist())
        found[f"accepted, {depth}"] = 100 * report.counts.accepted / report.counts.drafted
        found[f"words per check, {depth}"] = report.counts.words_per_check
    numbers = sorted(lines)
    references = [split.reference_text(number) for number in numbers]
    found["BLEU"] = sacrebleu.corpus_bleu([lines[number] for number in numbers], [references]).score
    return found


def spread(values: List[float], digits: int) -> str:
    """Mean and sample standard deviation as text."""
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{deviation}"


def row(system: Path, data: Path, cpu: bool) -> List[Any]:
    """The row of a system: its name, the number of seeds, its values."""
    seeds = [measured(found.parent / "checkpoint_last.pt", data, cpu) for found in sorted(system.glob("seed*/.done"))]
    columns = {key: [one[key] for one in seeds] for key in seeds[0]}
    return [
        system.name, len(seeds), spread(columns["BLEU"], 1),
        *(spread(columns[f"accepted, {depth}"], 1) for depth in DEPTHS),
        *(spread(columns[f"words per check, {depth}"], 2) for depth in DEPTHS),
    ]  # fmt: skip


def main() -> None:
    """Write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", metavar="WORK_DIR", type=Path)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()
    systems = sorted({done.parents[1] for done in args.work.glob("*/seed*/.done")})
    heads = ["training", "seeds", "BLEU"]
    for name in ("accepted, %", "words per check"):
        heads += [f"{name}, {depth} layer{'s'[: depth != 1]}" for depth in DEPTHS]
    rows = [row(system, args.work / "bin", args.cpu) for system in systems]
    table = markdown_table(heads, rows, "lrrrrrr")
    with written_whole(str(args.work / "agreement.md")) as output:
        output.write(f"{table}\n")
    print(table)


if __name__ == "__main__":
    main()
