"""Read the output of ``fairseq-generate``: translations, references, the depth pairs used, and seconds.

    python -m recipes.common.generate_log LOG [--references FILE]

prints the scores and seconds of a run as JSON. The references are taken from the log, or from FILE, one per line in the
order of the data. The JSON contains the path of FILE, relative to the folder of the log.
"""

import argparse
import json
import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

PAIR = Tuple[int, int]  # encoder depth, decoder depth


class Generated(NamedTuple):
    """A decoded split, in the order of the data."""

    hypotheses: List[str]
    references: List[str]
    used: Dict[PAIR, int]  # number of sentences per depth pair; empty if all sentences had the same
    choosing: float  # seconds of the selector
    decoding: float  # seconds of beam search alone
    probabilities: List[float]  # one per sentence: of its translations with their end symbols, all of --nbest together

    @property
    def seconds(self) -> float:
        """The seconds of choosing depth pairs and of beam search."""
        return self.choosing + self.decoding


def parse_generate_log(text: str) -> Generated:
    """Parse the output of a run.

    Raises:
        ValueError: the output does not report the decoding time.
    """
    lines: Dict[str, Dict[int, List[str]]] = {"D": {}, "T": {}, "P": {}}
    for line in text.split("\n"):  # not splitlines: translations may contain U+2028 and the like
        kind, dash, rest = line.partition("-")
        if dash and kind in lines and "\t" in rest:
            number, *fields = rest.split("\t")
            lines[kind].setdefault(int(number), []).append(fields[-1])
    found = re.search(r"sentences by .*?: (\(.*?); choosing took ([\d.]+) s, decoding ([\d.]+) s", text)
    if found:
        used = {(int(n), int(m)): int(count.replace(",", "")) for n, m, count in re.findall(_USED, found.group(1))}
        choosing, decoding = float(found.group(2)), float(found.group(3))
    else:
        searched = re.search(r"Translated .* in ([\d.]+)s", text)
        if searched is None:
            raise ValueError(f"not a finished run of fairseq-generate: {text[-500:]}")
        used, choosing, decoding = {}, 0.0, float(searched.group(1))
    # with --nbest, a sentence has several translations, the best first
    hypotheses, references = ([texts[0] for _, texts in sorted(lines[kind].items())] for kind in ("D", "T"))
    # P lines: log-probabilities of the tokens, to base 2; unlike the H line's score they are not length-normalised
    probabilities = [
        sum(2 ** sum(map(float, scores.split())) for scores in translations)
        for _, translations in sorted(lines["P"].items())
    ]
    return Generated(hypotheses, references, used, choosing, decoding, probabilities)


def read_generate_log(path: Path) -> Generated:
    """Parse the output of a run in a file."""
    return parse_generate_log(path.read_bytes().decode("utf-8"))  # read_text would end lines at carriage returns


_USED = r"\((\d+), (\d+)\) ([\d,]+\d|\d)"


def main() -> None:
    """Print the scores and seconds of a log."""
    from fairseq_flexdepth.corpus.scores import corpus_scores
    from fairseq_flexdepth.files.text import read_lines

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--references", type=Path, metavar="FILE")
    args = parser.parse_args()
    found = read_generate_log(args.log)
    references = read_lines(str(args.references), "--references") if args.references else found.references
    if len(references) != len(found.hypotheses):
        raise ValueError(f"--references {args.references}: {len(references)} lines; expected {len(found.hypotheses)}")
    scores = corpus_scores(found.hypotheses, references)
    times = {"seconds": found.seconds, "choosing_seconds": found.choosing}
    probability = sum(found.probabilities) / len(found.probabilities) if found.probabilities else None
    size = {"sentences": len(references), "probability": probability}
    source = {"references": os.path.relpath(args.references, args.log.parent)} if args.references else {}
    print(json.dumps({**scores, **times, **size, **source}))


if __name__ == "__main__":
    main()
