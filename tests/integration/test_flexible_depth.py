"""Multi-task flexible depth with fairseq's command lines: fine-tuning a trained model, LayerDrop, decoding."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration import cli
from tests.integration.stock import stock_checkpoint

PRE_NORM = ("--encoder-normalize-before", "--decoder-normalize-before")
DEEP = ("--encoder-layers", 4, "--decoder-layers", 2, *PRE_NORM)
FLEXIBLE = (
    *DEEP, "--criterion", "multi_task_depth_cross_entropy", "--subnetworks", "optimal",
    "--encoder-depths", "divisors", "--decoder-depths", "divisors",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of fairseq's own ``transformer``."""
    folder = tmp_path_factory.mktemp("stock")
    cli.train(data, folder, *DEEP, "--arch", "transformer_tiny", "--criterion", "label_smoothed_cross_entropy")
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def finetuned(data: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``trained``, fine-tuned for all its divisor depths."""
    folder = tmp_path_factory.mktemp("flexible")
    output = cli.train(data, folder, *FLEXIBLE, "--finetune-from-model", trained, "--max-update", 10)
    assert f"loading pretrained model from {trained}" in output
    return folder / "checkpoint_last.pt"


@pytest.mark.parametrize(
    ("pair", "encoder", "decoder"), [((2, 1), (1, 3), (1,)), ((1, 2), (2,), (1, 2)), ((4, 2), (1, 2, 3, 4), (1, 2))]
)
def test_a_depth_decodes_as_a_stock_model_of_its_layers(
    data: Path, finetuned: Path, tmp_path: Path, pair: tuple, encoder: tuple, decoder: tuple
) -> None:
    ours = cli.hypotheses(cli.generate(data, finetuned, "--enc-layers", pair[0], "--dec-layers", pair[1]))
    stock = stock_checkpoint(finetuned, encoder, decoder, tmp_path / "stock.pt")
    theirs = cli.hypotheses(cli.generate(data, stock))
    assert len(ours) == 20
    for our_line, stock_line in zip(ours, theirs):
        our_id, our_score, our_text = our_line.split("\t")
        stock_id, stock_score, stock_text = stock_line.split("\t")
        assert (our_id, our_text) == (stock_id, stock_text)
        assert float(our_score) == pytest.approx(float(stock_score), abs=1e-5)


def test_the_deepest_model_starts_as_the_one_it_was_fine_tuned_from(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    cli.train(data, tmp_path, *FLEXIBLE, "--finetune-from-model", trained, "--max-update", 1, "--lr", 0)
    assert cli.largest_difference(trained.parent, tmp_path) == 0


def test_a_depth_outside_the_space_is_refused(data: Path, finetuned: Path) -> None:
    output = cli.generate(data, finetuned, "--enc-layers", 3, fails=True)
    assert output.splitlines()[-1] == "ValueError: --enc-layers 3: this model supports 1,2,4"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoder-layers", 2), "ValueError: --encoder-layers 2: the checkpoint has 4 encoder layers"),
        (
            ("--encoder-embed-dim", 32, "--decoder-embed-dim", 32),
            "ValueError: --encoder-embed-dim 32: the checkpoint was trained with 16",
        ),
    ],
    ids=["fewer layers", "another width"],
)
def test_a_model_that_does_not_fit_is_not_fine_tuned(
    data: Path, trained: Path, tmp_path: Path, options: tuple, message: str
) -> None:
    output = cli.train(data, tmp_path, *FLEXIBLE, *options, "--finetune-from-model", trained, fails=True)
    assert message in output.splitlines()
    assert output.splitlines()[-1].startswith(f"Exception: Cannot load model parameters from checkpoint {trained}")
    assert not list(tmp_path.glob("*.pt"))


def test_layerdrop_decodes_pruned_by_left(data: Path, tmp_path: Path) -> None:
    layerdrop = ("--encoder-layerdrop", 0.3, "--decoder-layerdrop", 0.3)
    cli.train(data, tmp_path, *DEEP, *layerdrop, "--criterion", "label_smoothed_cross_entropy")
    checkpoint = tmp_path / "checkpoint_last.pt"
    pruned: Any = ("--enc-layers", 2, "--dec-layers", 1, "--subnetworks", "left")
    ours = cli.hypotheses(cli.generate(data, checkpoint, *pruned))
    stock = cli.generate(data, stock_checkpoint(checkpoint, (1, 3), (1,), tmp_path / "stock.pt"))
    assert [line.split("\t")[2] for line in ours] == [line.split("\t")[2] for line in cli.hypotheses(stock)]
    assert ours != cli.hypotheses(cli.generate(data, checkpoint, *pruned[:4]))
