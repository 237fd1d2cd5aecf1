"""Depth selectors are trained, resumed, fine-tuned, validated and loaded by fairseq's own command lines."""

from pathlib import Path
from typing import List

import pytest
import torch

from fairseq_flexdepth.decoding.selector_checkpoint import load_selector
from fairseq_flexdepth.files.depth_labels import DepthLabels, labels_file, load_labels
from tests import tiny
from tests.integration import cli, selector_cli
from tests.labels import PAIRS, WORDS, write_checkpoint, write_labels

EXACT = ("--dropout", 0)
METRICS = {
    "loss", "quality", "quality_deepest", "quality_oracle", "cost", "cost_oracle", "precision", "recall", "f_beta",
}  # fmt: skip


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of 75 training sentences (5 batches, the last one smaller) and 20 validation sentences."""
    folder = tmp_path_factory.mktemp("labels")
    write_labels(folder, {"train": 76, "valid": 21}, unlabelled=1)
    return folder


@pytest.fixture(scope="module")
def trained(labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a selector trained with the paper's loss, and the output of the training."""
    folder = tmp_path_factory.mktemp("selector")
    (folder / "output.txt").write_text(
        selector_cli.train(labels, folder, "--save-interval-updates", 7), encoding="utf-8"
    )
    return folder


def test_training_logs_what_the_choices_are_worth(trained: Path) -> None:
    output = (trained / "output.txt").read_text(encoding="utf-8")
    updates, valid = selector_cli.logged(output, "train_inner"), selector_cli.logged(output, "valid")
    assert len(updates) == 13
    assert set(updates[0]) >= METRICS
    assert float(updates[-1]["loss"]) < float(updates[0]["loss"])
    assert {f"valid_{name}" for name in METRICS} <= valid[-1].keys()
    assert float(valid[-1]["valid_quality"]) <= float(valid[-1]["valid_quality_oracle"])


def test_fairseq_validate_agrees_with_the_training(labels: Path, trained: Path) -> None:
    during = selector_cli.logged((trained / "output.txt").read_text(encoding="utf-8"), "valid")[-1]
    after, output = selector_cli.validate(labels, trained / "checkpoint_last.pt")
    assert "1 of 21 sentences have no labels" in output
    for name in METRICS:
        assert float(after[f"valid_{name}"]) == pytest.approx(float(during[f"valid_{name}"]), abs=2e-4), name


def test_a_resumed_run_equals_the_uninterrupted_one(labels: Path, trained: Path, tmp_path: Path) -> None:
    (half_way,) = trained.glob("checkpoint_*_7.pt")
    assert f"Loaded checkpoint {half_way}" in selector_cli.train(labels, tmp_path, "--restore-file", half_way)
    assert cli.largest_difference(trained, tmp_path) == 0


def test_two_ranks_equal_one_process(labels: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    outputs: List[str] = []

    def on_rank(*distributed: object) -> str:
        outputs.append(selector_cli.train(labels, two, *EXACT, "--max-update", 4, *distributed))
        return outputs[-1]

    alone = selector_cli.train(labels, one, *EXACT, "--update-freq", 2, "--max-update", 4)
    cli.on_two_ranks(on_rank)
    assert cli.largest_difference(one, two) < 1e-5
    expected = selector_cli.logged(alone, "valid")[-1]
    (together,) = (logged[-1] for logged in (selector_cli.logged(text, "valid") for text in outputs) if logged)
    for name in METRICS:  # 20 sentences in two batches, 16 + 4
        assert float(together[f"valid_{name}"]) == pytest.approx(float(expected[f"valid_{name}"]), abs=2e-4), name


def test_a_selector_trained_for_cost_shares_a_probability_of_1(labels: Path, tmp_path: Path) -> None:
    output = selector_cli.train(labels, tmp_path, "--selector-time-cost", 5, objective=selector_cli.COST_AWARE)
    losses = [float(update["loss"]) for update in selector_cli.logged(output, "train_inner")]
    assert sum(losses[-5:]) < sum(losses[:5])
    model, threshold = load_selector(str(tmp_path / "checkpoint_best.pt"), tiny.dictionary(WORDS))
    assert (model.exclusive, threshold) == (True, 0.0)


def test_a_trained_selector_is_loaded_without_its_labels(trained: Path) -> None:
    model, threshold = load_selector(str(trained / "checkpoint_last.pt"), tiny.dictionary(WORDS))
    assert (model.exclusive, model.training, threshold) == (False, False, 0.5)
    assert model.pairs == PAIRS
    assert model.depth_pairs.tolist() == [list(pair) for pair in PAIRS]
    assert model.relative_seconds.tolist() == [0.25, 0.5, 0.375, 1.0]
    saved = torch.load(str(trained / "checkpoint_last.pt"))["model"]
    assert torch.equal(model.output.weight, saved["output.weight"])
    outputs = model.probabilities(model(torch.tensor([[5, 2], [6, 2]])))
    assert outputs.shape == (2, 4)
    assert all(0 <= column < 4 for column in model.choose(outputs, threshold))
    refusal = r"^--depth-selector .*checkpoint_last.pt: was trained with a source dictionary that differs from DATA's"
    with pytest.raises(ValueError, match=refusal):
        load_selector(str(trained / "checkpoint_last.pt"), tiny.dictionary(WORDS + 1))


def test_embeddings_come_from_a_translation_model_that_is_not_needed_later(labels: Path, tmp_path: Path) -> None:
    translation = tiny.flexible_model()
    path = Path(write_checkpoint(tmp_path / "translation.pt", translation, "tied_multi_transformer"))
    start = ("--init-embeddings-from", path, "--lr", 1e-9, "--max-update", 1)
    selector_cli.train(labels, tmp_path, *start, width=None)
    path.unlink()
    checkpoint = tmp_path / "checkpoint_last.pt"
    saved = torch.load(str(checkpoint))
    words = saved["model"]["encoder.embed_tokens.weight"][:WORDS]
    assert torch.allclose(words, translation.encoder.embed_tokens.weight, atol=1e-6)
    assert saved["cfg"]["model"]["encoder_embed_dim"] == 12
    selector_cli.validate(labels, checkpoint)
    assert load_selector(str(checkpoint), tiny.dictionary(WORDS))[0].output.in_features == 12


def test_fine_tuning_starts_from_a_selector_and_takes_the_new_times(
    labels: Path, trained: Path, tmp_path: Path
) -> None:
    write_labels(tmp_path / "dev", {"train": 40})
    old = load_labels(str(tmp_path / "dev"), "train", "DATA")
    DepthLabels(PAIRS, old.scores, old.seconds**2, old.record).save(labels_file(str(tmp_path / "dev"), "train"))
    output = selector_cli.train(
        tmp_path / "dev", tmp_path / "tuned", "--finetune-from-model", trained / "checkpoint_last.pt",
        "--lr", 1e-9, "--max-update", 1, "--valid-subset", "train",
    )  # fmt: skip
    assert "loading pretrained model from" in output
    tuned, start = cli.parameters(tmp_path / "tuned"), cli.parameters(trained)
    assert tuned.pop("relative_seconds").tolist() == [1 / 16, 4 / 16, 2.25 / 16, 1.0]
    assert all(torch.allclose(tuned[name].float(), start[name].float(), atol=1e-6) for name in tuned)


def test_a_selector_of_other_sizes_or_pairs_is_not_fine_tuned(labels: Path, trained: Path, tmp_path: Path) -> None:
    start = ("--finetune-from-model", trained / "checkpoint_last.pt", "--max-update", 1)
    output = selector_cli.train(labels, tmp_path / "a", *start, width=8, fails=True)
    assert "--encoder-embed-dim 8: the checkpoint was trained with 16" in output
    write_labels(tmp_path / "fewer", {"train": 20, "valid": 4})
    for split in ("train", "valid"):
        old = load_labels(str(tmp_path / "fewer"), split, "DATA")
        fewer = DepthLabels(PAIRS[::3], old.scores[:, ::3], old.seconds[::3], old.record)
        fewer.save(labels_file(str(tmp_path / "fewer"), split))
    output = selector_cli.train(tmp_path / "fewer", tmp_path / "b", *start, fails=True)
    assert "pairs [(1, 1), (1, 2), (2, 1), (2, 2)]; these labels are for [(1, 1), (2, 2)]" in output
