"""Trainings that start from stock checkpoints of several tasks, among them mBART's architecture."""

from pathlib import Path
from typing import Any, Dict, NamedTuple, Sequence

import pytest
import torch

from tests.integration import cli
from tests.integration.directions import binarised_directions
from tests.integration.refusals import fairseqs, training
from tests.integration.test_flexible_language_model import ADAPTIVE, BY_SENTENCE, evaluated
from tests.integration.test_flexible_language_model import run as run_language_model
from tests.integration.test_flexible_language_model import train as train_language_model
from tests.integration.test_flexible_language_model import training as language_model_training
from tests.integration.test_language_model_training import binarised_text
from tests.integration.test_speech_training import write_speech

SHAPE = (
    "--encoder-normalize-before", "--decoder-normalize-before", "--share-all-embeddings", "--max-source-positions", 40,
    "--max-target-positions", 40,
)  # fmt: skip
# mbart_base sets these for itself.
MBART = ("--encoder-learned-pos", "--decoder-learned-pos", "--layernorm-embedding", "--activation-fn", "gelu")
PRE_NORM = ("--encoder-normalize-before", "--decoder-normalize-before")
TAGS = ("--encoder-langtok", "src", "--decoder-langtok")
STOCK = ("--criterion", "label_smoothed_cross_entropy", "--report-accuracy")
UNCHANGED = ("--lr", 0, "--report-accuracy", "--max-update", 1)


@pytest.fixture(scope="module")
def mbart(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mBART-shaped model and what its training printed."""
    folder = tmp_path_factory.mktemp("mbart")
    (folder / "log").write_text(cli.train(data, folder, "--arch", "mbart_base", *STOCK, *SHAPE, "--lr", 0.01))
    return folder


def assert_starts_alike(ours: Dict[str, Any], stock: Dict[str, Any]) -> None:
    assert float(ours["valid_nll_e3d2"]) == pytest.approx(float(stock["valid_nll_loss"]), abs=2e-3)
    assert float(ours["valid_accuracy_e3d2"]) == pytest.approx(float(stock["valid_accuracy"]), abs=2e-3)
    assert ours["valid_nll_e1d1"] != ours["valid_nll_e3d2"]


@pytest.mark.parametrize("start", ["--finetune-from-model", "--restore-file"])
def test_mbarts_loss_is_that_of_the_deepest_pair(start: str, data: Path, mbart: Path, tmp_path: Path) -> None:
    """Our model has fewer learned positions."""
    reset = () if start == "--finetune-from-model" else (
        "--reset-optimizer", "--reset-lr-scheduler", "--reset-dataloader", "--reset-meters"
    )  # fmt: skip
    output = cli.train(
        data, tmp_path, *SHAPE, *MBART, *UNCHANGED, "--max-source-positions", 30, start,
        mbart / "checkpoint_last.pt", *reset,
    )  # fmt: skip
    assert "--max-source-positions: of the checkpoint's 42 rows of learned positions the first 32 are kept" in output
    assert_starts_alike(cli.last_validation(output), cli.last_validation((mbart / "log").read_text()))


class Start(NamedTuple):
    """A task: the fixture of its data, its options, fairseq's architecture and ours with the same options."""

    data: str
    task: Sequence[Any]
    stock: Sequence[Any]
    ours: Sequence[Any]


SPEECH = ("--encoder-embed-dim", 16, "--conv-channels", 16)
STARTS = {
    "one multilingual model": Start(
        "directions",
        ("--task", "translation_multi_simple_epoch", "--lang-pairs", "de-en,en-de", *TAGS, *PRE_NORM),
        ("--arch", "transformer_tiny"), (),
    ),
    "a model per direction": Start(
        "directions", ("--task", "multilingual_translation", "--lang-pairs", "de-en,en-de", *TAGS),
        ("--arch", "multilingual_transformer"), ("--arch", "tied_multi_multilingual_transformer"),
    ),
    "mBART": Start(
        "directions",
        ("--task", "translation_from_pretrained_bart", "--langs", "de,en,ev", "-s", "de", "-t", "en", *SHAPE),
        ("--arch", "mbart_base"), MBART,
    ),
    "speech": Start(
        "speech", ("--task", "speech_to_text", "--train-subset", "train", "--valid-subset", "valid", *SPEECH),
        ("--arch", "s2t_transformer_s"), ("--arch", "tied_multi_s2t_transformer_s"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def directions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binarised_directions(tmp_path_factory.mktemp("directions"))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech"))


@pytest.mark.parametrize("name", STARTS)
def test_a_stock_model_goes_on_in_its_task(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    """Weights that fit with another number of heads would compute something else: they are refused."""
    start = STARTS[name]
    data = request.getfixturevalue(start.data)
    given = (*start.task, "--max-tokens", 600, "--dropout", 0)
    stock = cli.train(data, tmp_path / "stock", *given, *STOCK, "--max-update", 2, *start.stock)
    begin = ("--finetune-from-model", tmp_path / "stock" / "checkpoint_last.pt")
    ours = cli.train(data, tmp_path / "ours", *given, *start.ours, *UNCHANGED, *begin)
    assert_starts_alike(cli.last_validation(ours), cli.last_validation(stock))
    heads = ("--encoder-attention-heads", 2, "--decoder-attention-heads", 4)
    line = training(data, tmp_path / "new", *given, *start.ours, *begin, *heads)
    assert line == "ValueError: --decoder-attention-heads 4: the checkpoint was trained with 2"
    widths = ("--encoder-attention-heads", 2, "--decoder-attention-heads", 2, "--decoder-ffn-embed-dim", 18)
    line = training(data, tmp_path / "new", *given, *start.ours, *begin, *widths)
    assert line == "ValueError: --decoder-ffn-embed-dim 18: the checkpoint was trained with 16"


def test_what_does_not_fit_is_the_last_line(data: Path, mbart: Path, tmp_path: Path) -> None:
    start = ("--finetune-from-model", mbart / "checkpoint_last.pt")
    heads: Any = ("--encoder-attention-heads", 2, "--decoder-attention-heads", 2)
    for options, message in (
        ((*MBART[:-2], "--no-scale-embedding"), "--activation-fn relu: the checkpoint was trained with gelu; --no-"),
        ((*MBART, "--decoder-attention-heads", 4), "--decoder-attention-heads 4: the checkpoint was trained with 2"),
        (("--activation-fn", "gelu"), "--encoder-learned-pos: the checkpoint was trained with it"),
    ):
        line = training(data, tmp_path, *SHAPE, *start, *heads, *options)
        assert line.startswith(f"ValueError: {message}"), line
    assert not list(tmp_path.glob("*.pt"))


STOCK_LM = (
    *ADAPTIVE, "--arch", "transformer_lm_wiki103", "--criterion", "adaptive_loss", "--ddp-backend", "legacy_ddp",
)  # fmt: skip
SHARED_LM = (
    *STOCK_LM, "--arch", "cycle_shared_transformer_lm", "--layer-sharing", "cycle", "--unique-decoder-layers", 1,
)  # fmt: skip
SHARED_LM_MISFITS = {
    (): "--layer-sharing: layers 1 and 2 share their parameters in this model, but the checkpoint has two different",
    ("--decoder-layers", 2): "--decoder-layers 2: the checkpoint was trained with 3",
    ("--decoder-layers", 6, "--unique-decoder-layers", 3): "--decoder-layers 6: the checkpoint was trained with 3",
    ("--decoder-embed-dim", 20): "--decoder-embed-dim 20: the checkpoint was trained with 16",
    ("--adaptive-softmax-cutoff", "10,99"): "--adaptive-softmax-cutoff 10,99: expected numbers of at most",
    ("--decoder-attention-heads", 4): "--decoder-attention-heads 4: the checkpoint was trained with 2",
    ("--decoder-ffn-embed-dim", 18): "--decoder-ffn-embed-dim 18: the checkpoint was trained with 16",
}
RESTORED = ("--reset-optimizer", "--reset-lr-scheduler", "--reset-dataloader", "--reset-meters", "--restore-file")


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, and fairseq's language model of it."""
    folder = tmp_path_factory.mktemp("language_model")
    train_language_model(binarised_text(folder / "text"), folder, *STOCK_LM)
    return folder


def test_a_stock_language_model_goes_on_at_every_depth(language_model: Path, tmp_path: Path) -> None:
    text, stock = language_model / "text" / "bin", language_model / "checkpoint_last.pt"
    ours = (*ADAPTIVE, "--arch", "tied_multi_transformer_lm_wiki103", "--finetune-from-model", stock)
    unchanged = train_language_model(text, tmp_path / "ours", *ours, "--lr", 0, "--max-update", 1)
    output = run_language_model("fairseq-eval-lm", text, stock, *BY_SENTENCE, "--gen-subset", "valid")
    found, expected = cli.last_validation(unchanged), float(evaluated(output)[0][0])
    assert float(found["valid_nll_d3"]) == pytest.approx(expected, abs=2e-3)
    assert found["valid_nll_d1"] != found["valid_nll_d3"]
    for options, message in (
        (("--decoder-attention-heads", 4), "--decoder-attention-heads 4: the checkpoint was trained with 2"),
        (("--arch", "tied_multi_transformer_lm"), "--decoder-normalize-before: the checkpoint was trained with it"),
    ):
        line = fairseqs("fairseq-train", *language_model_training(text, tmp_path / "new", *ours, *options))
        assert line == f"ValueError: {message}"


def test_a_stock_language_model_goes_on_with_shared_layers_if_its_own_are_equal(
    language_model: Path, tmp_path: Path
) -> None:
    text, stock = language_model / "text" / "bin", language_model / "checkpoint_last.pt"
    for options, message in SHARED_LM_MISFITS.items():
        start = RESTORED if options == () else ("--finetune-from-model",)
        given = (*SHARED_LM, *start, stock, *options)
        line = fairseqs("fairseq-train", *language_model_training(text, tmp_path / "new", *given))
        assert line.startswith(f"ValueError: {message}"), line
    state = torch.load(str(stock), map_location="cpu")
    layers = [key for key in state["model"] if key.startswith("decoder.layers.")]
    for key in layers:
        state["model"][key] = state["model"][".".join(["decoder.layers.0", *key.split(".")[3:]])]
    torch.save(state, str(tmp_path / "equal.pt"))
    unchanged = ("--finetune-from-model", tmp_path / "equal.pt", "--lr", 0, "--max-update", 1)
    train_language_model(text, tmp_path, *SHARED_LM, *unchanged)
    found = cli.parameters(tmp_path)
    assert {key.split(".")[2] for key in found if key.startswith("decoder.layers.")} == {"0"}
    assert all(torch.equal(value, state["model"][key]) for key, value in found.items())
