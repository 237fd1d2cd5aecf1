"""Validation by BLEU, at the deepest pair and at the pairs of ``--eval-bleu-depths``."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, List

import pytest
import torch

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.files.training_log import validations
from tests.integration import cli

DEPTHS = {"bleu_e1d1": ("--enc-layers", 1, "--dec-layers", 1), "bleu_e2d2": ("--enc-layers", 2), "bleu": ()}


def options_of_the_docs() -> List[str]:
    page = (cli.REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    return shlex.split(re.findall(r"(?m)^ +(--eval-bleu (?:.*\\\n)+.*)$", page)[0].replace("\\\n", " "))


def test_validation_by_bleu_as_the_docs_have_it(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The first training is in one process, and on two ranks it goes on: 3 batches, so one rank has a batch less."""
    options = options_of_the_docs()
    assert options[options.index("--best-checkpoint-metric") + 1] == "bleu_e2d2"
    cli.write_reversal_corpus(tmp_path / "text", {"train": 200, "valid": 20, "test": 1})
    for path in (tmp_path / "text").iterdir():  # as SentencePiece marks the beginnings of words
        path.write_text(path.read_text().replace("w", "\u2581w"), encoding="utf-8")
    data, folder, plain = tmp_path / "bin", tmp_path / "model", tmp_path / "plain"
    cli.binarise(tmp_path / "text", data)
    rarely = ("--validate-interval", 20, "--save-interval", 20)  # an epoch has one or two updates
    learning: Any = ("--max-tokens", 2000, "--lr", 0.01, "--batch-size-valid", 7, *rarely)
    cli.train(data, plain, *learning, "--max-update", 30)
    cli.train(data, folder, *learning, *options, "--max-update", 30)
    assert cli.largest_difference(plain, folder) == 0
    log = tmp_path / "train.log"
    cli.train_on_two_ranks(data, folder, *learning, *options, "--max-update", 60, "--log-file", log)
    found = validations(log.read_text().splitlines(), "valid")
    scores = {name: found[-1][name] for name in DEPTHS}
    assert min(scores.values()) > 1
    assert len(set(scores.values())) == 3
    assert found[-1]["best_bleu_e2d2"] == max(values["bleu_e2d2"] for values in found)
    assert main(["curves", str(log), "--output", str(tmp_path / "curves.png"), "--depths", "2-2", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    drawn = {curve["metric"]: dict(zip(curve["updates"], curve["values"])) for curve in run["curves"]}
    assert drawn["bleu"] == {values["num_updates"]: values["bleu_e2d2"] for values in found}
    state = torch.load(str(folder / "checkpoint_best.pt"))["extra_state"]
    assert state["val_loss"] == state["best"] == found[-1]["best_bleu_e2d2"]
    last = folder / "checkpoint_last.pt"
    alike = ("--gen-subset", "valid", "--beam", 4, "--max-len-b", 200, "--post-process", "sentencepiece")
    for name, depth in DEPTHS.items():
        decoded = cli.generate(data, last, *alike, "--scoring", "sacrebleu", *depth)
        bleu = float(re.findall(r"BLEU = ([\d.]+)", decoded.splitlines()[-1])[0])
        assert bleu == pytest.approx(scores[name], abs=0.011), name
    validated = cli.run(
        "fairseq-validate", data, "--user-dir", cli.PLUGIN, "--task", "translation", "--path", last, "--cpu",
        "--batch-size", 20, "--num-workers", 0, "--log-format", "json", "--enc-layers", 2, *options[:-3],
    )  # fmt: skip
    values = json.loads(validated.splitlines()[-1].split(" | ")[-1])
    assert {name: float(values[f"valid_{name}"]) for name in DEPTHS} == {**scores, "bleu": scores["bleu_e2d2"]}
