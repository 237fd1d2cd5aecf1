"""The language model with shared layers: fairseq-preprocess, fairseq-train, fairseq-eval-lm."""

import math
import random
import re
from pathlib import Path

import pytest
import torch

from tests.integration import cli

MODEL = (
    "--task", "language_modeling", "--arch", "cycle_shared_transformer_lm", "--decoder-layers", 4,
    "--unique-decoder-layers", 2, "--decoder-embed-dim", 32, "--decoder-input-dim", 32, "--decoder-output-dim", 32,
    "--decoder-ffn-embed-dim", 32, "--decoder-attention-heads", 2, "--adaptive-input-cutoff", "10,20",
    "--adaptive-softmax-cutoff", "10,20", "--criterion", "adaptive_loss", "--ddp-backend", "legacy_ddp",
    "--dropout", 0, "--tokens-per-sample", 24,
)  # fmt: skip


def binarised_text(folder: Path) -> Path:
    """A binarised text of 40 words in which every word names its successor."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(1)
    for split, lines in (("train", 200), ("valid", 20), ("test", 20)):
        starts = [generator.randrange(40) for _ in range(lines)]
        rows = [" ".join(f"w{(start + step) % 40}" for step in range(12)) for start in starts]
        (folder / f"{split}.txt").write_text("\n".join(rows) + "\n")
    cli.run(
        "fairseq-preprocess", "--only-source", "--destdir", folder / "bin", "--trainpref", folder / "train.txt",
        "--validpref", folder / "valid.txt", "--testpref", folder / "test.txt",
    )  # fmt: skip
    return folder / "bin"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binarised_text(tmp_path_factory.mktemp("text"))


def test_training_and_evaluation(text: Path, tmp_path: Path) -> None:
    cli.run(
        "fairseq-train", text, "--user-dir", cli.PLUGIN, "--save-dir", tmp_path, "--cpu", "--seed", 1,
        *MODEL, "--optimizer", "adam", "--lr", 0.01, "--max-tokens", 480,
        "--max-update", 40, "--num-workers", 0, "--no-epoch-checkpoints",
    )  # fmt: skip
    checkpoint = tmp_path / "checkpoint_last.pt"
    state = torch.load(str(checkpoint), map_location="cpu")
    assert {key.split(".")[2] for key in state["model"] if key.startswith("decoder.layers.")} == {"0", "1"}
    output = cli.run(
        "fairseq-eval-lm", text, "--user-dir", cli.PLUGIN, "--path", checkpoint, "--cpu", "--max-tokens", 480,
        "--gen-subset", "test", "--num-workers", 0, "--tokens-per-sample", 24,
    )  # fmt: skip
    assert "Evaluated 260 tokens" in output
    perplexity = float(re.search(r"Perplexity: ([\d.]+)", output).group(1))  # type: ignore[union-attr]
    assert math.log(perplexity) < 0.6 * math.log(40)


def test_a_mistake_is_one_line(text: Path, tmp_path: Path) -> None:
    output = cli.run(
        "fairseq-train", text, "--user-dir", cli.PLUGIN, "--save-dir", tmp_path, "--cpu", "--max-tokens", 480,
        "--task", "language_modeling", "--arch", "cycle_shared_transformer_lm", "--unique-encoder-layers", 2,
        fails=True,
    )  # fmt: skip
    assert output.splitlines()[-1].startswith("ValueError: --unique-encoder-layers 2: a language model has no encoder")
