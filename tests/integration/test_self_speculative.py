"""``--draft-dec-layers`` and ``--fast-greedy`` in the real command lines: the hypotheses are those of ``--beam 1``."""

import re
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

import fairseq_flexdepth
from tests.integration import cli

SEARCH = ("--beam", 1, "--max-len-a", 1.2, "--max-len-b", 3, "--lenpen", 0.7, "--unkpen", 0.5, "--prefix-size", 1)


def by_number(output: str) -> Dict[str, Tuple[str, Any]]:
    """The text and the score of each sentence."""
    found = [line.split("\t") for line in cli.hypotheses(output)]
    return {number: (text, pytest.approx(float(score), abs=1e-5)) for number, score, text in found}


def test_generate_with_drafts_gives_the_hypotheses_of_greedy_search(data: Path, teacher: Path) -> None:
    expected = by_number(cli.generate(data, teacher, *SEARCH, "--batch-size", 7))
    assert len(expected) == 20
    for options, report in (
        (("--draft-dec-layers", 1, "--batch-size", 1), r"4 words by 1 layers; \d+\.\d% of the drafted words accepted"),
        (("--draft-dec-layers", 1, "--draft-tokens", 7, "--draft-vocabulary", 9, "--batch-size", 7), "7 words by 1"),
        (("--fast-greedy", "--batch-size", 7), "no drafts"),
    ):
        output = cli.generate(data, teacher, *SEARCH, *options)
        assert by_number(output) == expected
        assert re.search(rf"greedy search of 20 sentences, {report}", output)


def test_interactive_chooses_how_to_draft(data: Path, teacher: Path) -> None:
    """The time is compared from the 30th sentence on; 20 words each, so that the choice is made before."""
    search = ("--cpu", "--beam", 1, "--min-len", 20, "--max-len-b", 20)
    interactive = ("fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", teacher, *search)
    at_once = ("--buffer-size", 40, "--batch-size", 40)
    typed = 2 * (data.parent / "text" / "test.src").read_text()
    output = cli.run(*interactive, "--draft-dec-layers", "auto", stdin=typed)
    found, expected = by_number(output), by_number(cli.run(*interactive, *at_once, stdin=typed))
    assert found == expected
    assert len(found) == 40
    (report,) = re.findall(r"greedy search of 40 sentences, .*", output)
    parts = r"\d+\.\d% of the drafted words accepted, \d+\.\d\d words per verification"
    times = r"\d+\.\d\d of the time of fairseq's greedy search on [123] of the sentences"
    assert re.search(rf"^.*(no drafts|\d words by 1 layers); {parts};.* {times}$", report), report


def test_python(data: Path, teacher: Path) -> None:
    model = fairseq_flexdepth.load(str(teacher), data=str(data))
    sentences = ["w1 w2 w3", "w4", "w5 w1 w1 w2 w7 w3"]
    for depth in ((3, 2), (1, 2)):
        model.set_depth(*depth)
        plain = model.translate(sentences, beam=1)
        assert model.translate(sentences, beam=1, draft_dec_layers=1) == plain
        assert model.translate(sentences, beam=1, draft_dec_layers="auto", draft_tokens=2) == plain
    drafting = fairseq_flexdepth.load(str(teacher), data=str(data), draft_dec_layers=1)
    drafting.set_depth(1)
    assert drafting.translate(sentences, beam=1) == plain
    with pytest.raises(ValueError, match="^--beam 5: expected --beam 1 with --draft-dec-layers 1"):
        drafting.translate(sentences)
