"""A long search for a sentence that greedy search with drafts translates otherwise than fairseq's greedy search.

    python -m tests.campaigns.counter_examples --folder FOLDER [--examples 2000]

The suite's ``test_no_counter_example`` on other random examples: tiny models of every kind whose exits often disagree,
in double precision, with drawn options of search and drafts. hypothesis shrinks a counter-example and prints it; the
campaign then stops. FOLDER/counter_examples.json has all rounds; an interrupted campaign goes on with the next one.
"""

from collections import Counter
from typing import Any, Dict

import torch
from hypothesis import HealthCheck, given, seed, settings

from tests import draft_examples
from tests.campaigns.record import Record, parser, table

SUBJECT = "counter-examples"
ROUND = 100  # examples


def one_round(number: int, examples: int) -> Dict[str, Any]:
    """Check so many examples, which differ from those of the other rounds; return what was counted.

    Raises:
        AssertionError: a counter-example is found.
    """
    counted: Counter = Counter()

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(example=draft_examples.EXAMPLES)
    def search(example: Dict[str, Any]) -> None:
        report = draft_examples.check(example)
        counts = report.counts
        counted.update(
            examples=1, sentences=report.sentences, words=counts.words, drafted=counts.drafted, accepted=counts.accepted
        )

    search()
    return dict(counted)


def report(record: Record) -> str:
    """The table: one row for all rounds, which have found no counter-example."""
    record.finish()
    rounds = record.of(SUBJECT, "round")
    keys = ("examples", "sentences", "words", "drafted", "accepted")
    total = {key: sum(trial[key] for trial in rounds) for key in keys}
    accepted = f"{total['accepted'] / max(total['drafted'], 1):.0%}"
    row = [f"torch {torch.__version__}", *(f"{total[key]:,}" for key in keys[:3]), accepted]
    return f"{table(['stack', *keys[:3], 'accepted'], [row])}\n\n{record.where_and_when()}"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--examples", type=int, default=2000)
    args = options.parse_args()
    torch.set_num_threads(1)
    record = Record(args.folder / "counter_examples.json", {})
    while True:
        rounds = record.of(SUBJECT, "round")
        left = args.examples - sum(trial["examples"] for trial in rounds)
        if left <= 0:
            break
        record.add(subject=SUBJECT, kind="round", seed=len(rounds), **one_round(len(rounds), min(left, ROUND)))
    print(report(record))


if __name__ == "__main__":
    main()
