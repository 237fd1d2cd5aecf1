"""Print BLEU as [vaswani2017] computed it, on Moses' tokens split at hyphens, as JSON ([takase2021] footnote 2).

    python -m recipes.layer_sharing.compound_bleu LOG --references FILE --language de

LOG is the output of fairseq-generate. This BLEU is higher than sacrebleu's and not comparable with it.
"""

import argparse
import json
import re
from pathlib import Path
from typing import List

from recipes.common.generate_log import read_generate_log


def split_compounds(tokens: str) -> str:
    """Make every hyphen within a word a token of its own."""
    return re.sub(r"(\S)-(\S)", r"\1 ##AT##-##AT## \2", tokens)


def compound_bleu(hypotheses: List[str], references: List[str], language: str) -> float:
    """Return the BLEU of plain text, without smoothing.

    Raises:
        ValueError: the numbers of hypotheses and references differ.
    """
    from sacrebleu.metrics import BLEU

    from recipes.common.data.moses import tokenized

    if len(hypotheses) != len(references):
        raise ValueError(f"{len(references)} references; expected {len(hypotheses)}")
    sides = [[split_compounds(tokenized(line, language, False)) for line in text] for text in (hypotheses, references)]
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    return round(metric.corpus_score(sides[0], [sides[1]]).score, 2)


def main() -> None:
    """Print the BLEU of a log."""
    from fairseq_flexdepth.files.text import read_lines

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--references", type=Path, required=True)
    parser.add_argument("--language", required=True)
    args = parser.parse_args()
    references = read_lines(str(args.references), "--references")
    print(json.dumps({"bleu": compound_bleu(read_generate_log(args.log).hypotheses, references, args.language)}))


if __name__ == "__main__":
    main()
