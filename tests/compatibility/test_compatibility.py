"""Checkpoints of every kind, made once and for both stacks, decode what they decoded when they were made."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import pytest
from fairseq import checkpoint_utils

import fairseq_flexdepth  # noqa: F401  (registers everything)
from tests.compatibility.decoding import DATA, HERE, decoded, expected, unpacked
from tests.integration import cli

NAMES = sorted(
    f"{path.parent.name}/{path.name[: -len('.pt.gz')]}" for path in (HERE / "checkpoints").glob("*/*.pt.gz")
)
# A process of its own, away from the repository, as a notebook is.
NOTEBOOK = """
import json, sys
import fairseq_flexdepth

path, data, *sources = sys.argv[1:]
model = fairseq_flexdepth.load(path, data=data, source_lang="src", target_lang="tgt")
model.set_depth(1, 2)
print(json.dumps([model.depths, model.translate(sources, beam=3, max_len_b=8)]))
"""


def assert_same(found: List[Tuple[str, float]], wanted: List[Tuple[str, float]], how: str) -> None:
    assert [text for text, _ in found] == [text for text, _ in wanted], how
    for (_, score), (_, stored) in zip(found, wanted):
        assert score == pytest.approx(stored, abs=1e-4), how


@pytest.mark.parametrize("name", NAMES)
def test_decodes_as_when_it_was_made(name: str, tmp_path: Path) -> None:
    found, wanted = decoded(unpacked(name, tmp_path)), expected(name)
    assert found.keys() == wanted.keys()
    for how in wanted:
        assert_same(found[how], wanted[how], how)


def test_the_checkpoints_are_of_every_kind_and_small(tmp_path: Path) -> None:
    assert len([name for name in NAMES if name.startswith("a/")]) == 17
    assert len([name for name in NAMES if name.startswith("b/")]) == 5
    assert sum(path.stat().st_size for path in (HERE / "checkpoints").glob("*/*")) < 400_000
    state = checkpoint_utils.load_checkpoint_to_cpu(str(unpacked("a/distilled", tmp_path)))
    assert list(state["criterion"]) == [
        f"fusions.encoder_{layer}.projection.{part}" for layer in (1, 2) for part in ("weight", "bias")
    ]


def test_in_a_process_elsewhere(tmp_path: Path) -> None:
    wanted = expected("a/tied")["1-2"]
    environment: Dict[str, str] = {**os.environ, "PYTHONPATH": str(cli.REPOSITORY)}
    sources = ("w0", "w3 w1 w4 w1")
    finished = subprocess.run(
        [sys.executable, "-c", NOTEBOOK, str(unpacked("a/tied", tmp_path)), str(DATA / "translation"), *sources],
        cwd=str(tmp_path), env=environment, stdout=subprocess.PIPE, check=True, encoding="utf-8",
    )  # fmt: skip
    depths, texts = json.loads(finished.stdout.splitlines()[-1])
    assert depths == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert texts == [text for text, _ in wanted[:2]]
