"""Print the perplexity in the log of ``fairseq-validate --log-format json`` as JSON.

    python -m recipes.sequence_kd.perplexity LOG

It is the perplexity of all reference tokens, including end symbols and ``<unk>``, whatever loss trained the model.
"""

import argparse
import json
from pathlib import Path

from fairseq_flexdepth.files.training_log import entries


def perplexity(log: Path) -> float:
    """Return 2 to the power of the negative log-likelihood per token, in bits.

    Raises:
        ValueError: the log contains no result.
    """
    found = [numbers["test_nll_loss"] for kind, numbers in entries(log) if kind == "test"]
    if not found:
        raise ValueError(f"{log}: no result on test; was it written by fairseq-validate --log-format json?")
    return float(2 ** found[-1])


def main() -> None:
    """Print the perplexity of a log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    print(json.dumps({"perplexity": round(perplexity(parser.parse_args().log), 3)}))


if __name__ == "__main__":
    main()
