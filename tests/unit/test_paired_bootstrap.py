"""Intervals and p-values of scores: those of ``sacrebleu --paired-bs``."""

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from fairseq_flexdepth.corpus.paired_bootstrap import paired_bootstrap, sentence_counts
from fairseq_flexdepth.corpus.scores import SACREBLEU, CorpusScorer

WORDS = [f"wörd{number}," for number in range(20)]
CHANCE = random.Random(1)
REFERENCES = [" ".join(CHANCE.choices(WORDS, k=CHANCE.randint(1, 12))) for _ in range(40)]


def noisy(share: float) -> List[str]:
    """The references with a share of other words; an empty line, as for a sentence too long to decode."""
    changed = [
        " ".join(CHANCE.choice(WORDS) if CHANCE.random() < share else word for word in line.split())
        for line in REFERENCES
    ]
    return ["", *changed[1:]]


def test_all_values_are_those_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = [noisy(0.3), noisy(0.6), noisy(0.3), [""] * 40]
    names = [str(number) for number in range(4)]
    for name, lines in zip([*names, "reference"], [*systems, REFERENCES]):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    # text: the program cannot write chrF as JSON with NumPy 2
    options = ("-i", *names, "-m", "bleu", "chrf", "--paired-bs", "-f", "text", "-w", "2")
    command = [sys.executable, "-m", "sacrebleu", "reference", *options]
    printed = subprocess.run(command, cwd=tmp_path, stdout=-1, check=True, encoding="utf-8").stdout
    monkeypatch.setenv("SACREBLEU_SEED", "7")  # this one does not matter
    scorer = CorpusScorer(REFERENCES)
    counts = [scorer.counts(lines) for lines in systems]
    ours, p_values = [], []
    for scores, found in zip(map(scorer.scores, counts), scorer.compare(counts, 0)):
        for name in ("bleu", "chrf"):
            values = scores[name], found[f"{name}_mean"], found[f"{name}_interval"]
            ours.append(tuple(f"{value:.2f}" for value in values))
            p_values.append(found[f"{name}_p_value"])
    assert re.findall(r"([\d.]+) \(([\d.]+) ± ([\d.]+)\)", printed) == ours
    assert p_values[:2] == [None, None]
    assert re.findall(r"p = ([\d.]+)", printed) == [f"{p_value:.4f}" for p_value in p_values[2:]]
    assert p_values[2] < 0.05 < p_values[4]


def test_equal_scores_are_no_difference() -> None:
    metric = SACREBLEU.metric(references=[REFERENCES])
    for lines, others in ((REFERENCES, REFERENCES), (["x"] * 40, ["y"] * 40)):
        found = paired_bootstrap(metric, [sentence_counts(metric, lines), sentence_counts(metric, others)], 1)
        assert [estimate.p_value for estimate in found] == [1.0, None]
        assert found[0].score == found[1].score


def test_chrf_of_sentences() -> None:
    scorer = CorpusScorer(REFERENCES)
    assert scorer.sentence_chrf(scorer.counts(["", *REFERENCES[1:]])) == (0.0, *[100.0] * 39)
