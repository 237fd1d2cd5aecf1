"""The perplexity that ``fairseq-validate --log-format json`` measured, as JSON.

    python -m recipes.sequence_kd.perplexity LOG

Of every token of the references, the end of the sentence and ``<unk>`` among them; whatever loss the model was trained
with.
"""

import argparse
import json
from pathlib import Path

from recipes.common.training_log import entries


def perplexity(log: Path) -> float:
    """2 to the negative log-likelihood of a token, in bits.

    Raises:
        ValueError: the log holds no result.
    """
    found = [numbers["test_nll_loss"] for kind, numbers in entries(log) if kind == "test"]
    if not found:
        raise ValueError(f"{log}: no result on test; was it written by fairseq-validate --log-format json?")
    return float(2 ** found[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    print(json.dumps({"perplexity": round(perplexity(parser.parse_args().log), 3)}))


if __name__ == "__main__":
    main()
