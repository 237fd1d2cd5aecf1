"""The data and models of the campaigns: the tiny ones of the integration tests, made once per folder."""

from pathlib import Path
from typing import NamedTuple

from tests.campaigns import jobs
from tests.integration import cli
from tests.labels import write_labels

# Unused positions: they make checkpoints slow to write.
LARGE = ("--encoder-learned-pos", "--max-source-positions", 30000)


class Inputs(NamedTuple):
    """The paths of data and models."""

    corpus: Path
    labels: Path
    teacher: Path
    pruned: Path


def prepare(folder: Path) -> Inputs:
    """Make the inputs that are missing."""
    made = Inputs(folder / "corpus" / "bin", folder / "labels", folder / "teacher.pt", folder / "pruned.pt")
    if not (folder / "made").exists():
        folder.mkdir(parents=True, exist_ok=True)
        cli.write_reversal_corpus(folder / "corpus" / "text", {"train": 200, "valid": 20, "test": 20})
        cli.binarise(folder / "corpus" / "text", made.corpus)
        write_labels(made.labels, {"train": 76, "valid": 21}, unlabelled=1)
        learning = ("--max-update", 60, "--lr", 0.01, "--dropout", 0, "--max-tokens", 2000)
        cli.train(made.corpus, folder / "teacher", *LARGE, *learning)
        (folder / "teacher" / "checkpoint_last.pt").replace(made.teacher)
        prune = ("prune", "--path", made.teacher, "--fraction", 0.6, "--output", made.pruned)
        jobs.run(("fairseq-flexdepth", *prune), folder / "prune.log")
        (folder / "made").touch()
    return made
