"""What the campaigns train and decode: the integration tests' tiny corpora and models, made once a folder."""

from pathlib import Path
from typing import NamedTuple

from tests.campaigns import jobs
from tests.integration import cli
from tests.labels import write_labels

# Positions nobody uses, so that checkpoints take a while to write.
LARGE = ("--encoder-learned-pos", "--max-source-positions", 30000)


class Inputs(NamedTuple):
    """Where they are."""

    corpus: Path
    labels: Path
    teacher: Path
    pruned: Path


def prepare(folder: Path) -> Inputs:
    """Make what is not there yet."""
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
