"""Mistakes of a user: one clear last line, a non-zero exit status, no incomplete files."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration import cli


def last_line(output: str) -> str:
    return output.splitlines()[-1]


@pytest.mark.parametrize(
    "options, message",
    [
        (("--enc-layers", 7), "ValueError: --enc-layers 7: this model supports 1,2,3"),
        (("--dec-layers", 0), "ValueError: --dec-layers 0: this model supports 1,2"),
        (("--enc-layers", -1), "ValueError: --enc-layers -1: this model supports 1,2,3"),
        (("--enc-layers", "x"), "fairseq-generate: error: argument --enc-layers: invalid int value: 'x'"),
    ],
    ids=str,
)
def test_a_depth_that_the_model_has_not(data: Path, checkpoint: Path, options: tuple, message: str) -> None:
    assert last_line(cli.generate(data, checkpoint, *options, fails=True)) == message


@pytest.mark.parametrize(
    "options, message",
    [
        (("--depth-weights", "1,2"), "ValueError: --depth-weights 1,2: expected 3 rows separated by ';'"),
        (("--encoder-depths", "0,1"), "ValueError: --encoder-depths 0,1: depths must lie between 1 and 3"),
        (("--decoder-depths", "every"), "ValueError: --decoder-depths every: expected all, divisors or depths"),
        (("--sample-encoder-depths", 4), "ValueError: --sample-encoder-depths 4: expected 0 (all) to 3"),
        (("--adaptive-softmax-cutoff", "5"), "ValueError: --adaptive-softmax-cutoff"),
        (("--enc-layers", 2), "ValueError: --enc-layers 2: chooses a depth for decoding; leave it out in training"),
        (("--subnetworks", "tail"), "fairseq-train: error: argument --subnetworks: invalid choice: 'tail'"),
        (("--layer-sharing", "cycle"), "ValueError: --unique-encoder-layers: required with --layer-sharing cycle"),
        (
            ("--arch", "recurrent_stacked_transformer_tiny", "--unique-encoder-layers", 2),
            "ValueError: --unique-encoder-layers 2: must divide 3, the number of layers: expected one of 1,3",
        ),
        (
            ("--arch", "recurrent_stacked_transformer_tiny", "--ddp-backend", "fully_sharded"),
            "ValueError: --ddp-backend fully_sharded: cannot shard the tied layers of --layer-sharing cycle; use",
        ),
        (
            ("--residual-init", "admin", "--decoder-normalize-before"),
            "ValueError: --residual-init admin: expected a Post-LN model; leave out --decoder-normalize-before",
        ),
        (("--arch", "transformer_tiny"), "ValueError: --criterion tied_multi_cross_entropy: expected a model of many"),
    ],
    ids=str,
)
def test_training_options_that_do_not_fit(data: Path, tmp_path: Path, options: tuple, message: str) -> None:
    assert message in last_line(cli.train(data, tmp_path, *options, fails=True))
    assert not list(tmp_path.glob("*.pt*"))


def test_a_checkpoint_without_depths(data: Path, tmp_path: Path) -> None:
    stock = cli.save_model(tmp_path / "stock.pt", data, "transformer")
    assert len(cli.hypotheses(cli.generate(data, stock))) == 20
    assert last_line(cli.generate(data, stock, "--enc-layers", 1, fails=True)).startswith(
        "ValueError: --enc-layers 1: the checkpoint's TransformerModel always runs all its layers"
    )


def binarised(folder: Path, **corpus: Any) -> Path:
    cli.write_reversal_corpus(folder / "text", **corpus)
    cli.binarise(folder / "text", folder / "bin")
    return folder / "bin"


def test_data_that_does_not_fit(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    other = binarised(tmp_path, sizes={"train": 30, "valid": 3, "test": 0}, words=30)
    message = last_line(cli.generate(other, checkpoint, "--gen-subset", "valid", fails=True))
    assert message.startswith("ValueError: source dictionary of ")
    assert "the checkpoint was trained with 16" in message
    assert last_line(cli.train(tmp_path / "none", tmp_path / "model", fails=True)) == (
        f"ValueError: DATA {tmp_path / 'none'}: no such directory; expected one made by fairseq-preprocess"
    )
    assert "has no sentences; expected at least one" in last_line(
        cli.train(other, tmp_path / "model", "--valid-subset", "test", fails=True)
    )
    assert not list((tmp_path / "model").glob("*.pt*"))
