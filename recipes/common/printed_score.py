"""Print the final score in the log of a fairseq program as JSON.

    python -m recipes.common.printed_score wer|perplexity LOG

``wer`` is the word error rate (%) of ``fairseq-generate --scoring wer``, ``perplexity`` is
the perplexity of ``fairseq-eval-lm``.
"""

import argparse
import json
import re
from pathlib import Path

_SCORES = {"wer": r": WER: (\S+)$", "perplexity": r"Perplexity: (\S+)$"}


def printed_score(name: str, text: str) -> float:
    """Return the last ``wer`` or ``perplexity`` in a log.

    Raises:
        ValueError: the log contains none.
    """
    found = re.findall(_SCORES[name], text, flags=re.MULTILINE)
    if not found:
        raise ValueError(f"no {name} in this log: {text[-500:]}")
    return float(found[-1])


def main() -> None:
    """Print the score of a log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(_SCORES))
    parser.add_argument("log", type=Path)
    args = parser.parse_args()
    print(json.dumps({args.name: printed_score(args.name, args.log.read_text(encoding="utf-8"))}))


if __name__ == "__main__":
    main()
