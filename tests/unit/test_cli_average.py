"""``fairseq-flexdepth average``."""

import math
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from fairseq_flexdepth.cli.main import main


def write(path: Path, *values: float, dtype: torch.dtype = torch.float32, maximize: bool = False) -> str:
    model = {"weight": torch.tensor(values, dtype=dtype), "steps": torch.tensor([7])}
    model["positions._float_tensor"] = torch.tensor([math.nan])  # 0.12.2 never initialises it
    checkpoint = {
        "args": Namespace(arch="tiny"),
        "cfg": {"checkpoint": {"maximize_best_checkpoint_metric": maximize}},
        "model": model,
        "criterion": {"weight": torch.ones(2)},
        "extra_state": {"val_loss": values[0], "ema": model, "ema_fp32_params": model},
        "last_optimizer_state": {"state": torch.zeros(9)},
        "optimizer_history": [{"num_updates": 3}],
    }
    torch.save(checkpoint, str(path))
    return str(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_mean_in_the_parameters_own_precision(tmp_path, dtype):
    inputs = [write(tmp_path / f"{value}.pt", value, 3 * value, dtype=dtype) for value in (1, 2, 6)]
    output = tmp_path / "new" / "mean.pt"
    assert main(["average", "--inputs", *inputs, "--output", str(output)]) == 0
    result = torch.load(str(output))
    assert result["model"]["weight"].tolist() == [3, 9]
    assert result["model"]["weight"].dtype == dtype
    assert result["model"]["steps"].tolist() == [7]
    assert result["args"].arch == "tiny"
    assert result["last_optimizer_state"] is None
    assert result["extra_state"] == {"val_loss": 1}
    assert result["criterion"] is None
    assert [path.name for path in output.parent.iterdir()] == ["mean.pt"]


@pytest.mark.parametrize(
    ("option", "maximize", "expected"),
    [
        ("--num-epoch-checkpoints", False, [9, 10]),
        ("--num-update-checkpoints", False, [300, 2000]),
        ("--num-best-checkpoints", True, [-1, 2.5]),
        ("--num-best-checkpoints", False, [-7.25, -1]),
    ],
)
def test_the_latest_or_best_of_a_directory(tmp_path, capsys, option, maximize, expected):
    for epoch in (2, 9, 10):
        write(tmp_path / f"checkpoint{epoch}.pt", epoch)
    for update in (100, 300, 2000):
        write(tmp_path / f"checkpoint_1_{update}.pt", update)
    for score in (-7.25, -1, 2.5):
        write(tmp_path / f"checkpoint.best_my_score_{score}.pt", score, maximize=maximize)
    write(tmp_path / "checkpoint_last.pt", 0)
    output = tmp_path / "mean.pt"
    assert main(["average", "--inputs", str(tmp_path), option, "2", "--output", str(output)]) == 0
    assert torch.load(str(output))["model"]["weight"].tolist() == [sum(expected) / 2]
    assert capsys.readouterr().out.count("checkpoint") == 2


def test_tied_matrices_take_their_place_once(tmp_path):
    matrix = torch.randn(200, 100)
    for number in (1, 2):  # as fairseq saves tied embeddings of a GPU: a copy a name
        model = {name: matrix.clone() for name in ("encoder", "decoder", "projection")}
        torch.save({"model": {**model, "other": torch.randn(200, 100)}}, str(tmp_path / f"{number}.pt"))
    inputs, output = [str(tmp_path / f"{number}.pt") for number in (1, 2)], tmp_path / "mean.pt"
    assert main(["average", "--inputs", *inputs, "--output", str(output)]) == 0
    assert output.stat().st_size < 0.6 * Path(inputs[0]).stat().st_size
    model = torch.load(str(output))["model"]
    assert all(model[name].equal(matrix) for name in ("encoder", "decoder", "projection"))


def refused(capsys, *arguments: str) -> str:
    assert main(["average", *arguments]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    return errors[-1]


def test_mistakes(tmp_path, capsys):
    first = write(tmp_path / "first.pt", 1)
    other = write(tmp_path / "other.pt", 1, 2)
    diverged = write(tmp_path / "diverged.pt", math.nan)
    torch.save([1], str(tmp_path / "list.pt"))
    (tmp_path / "text.pt").write_text("hello")
    for metric in ("bleu", "loss"):
        write(tmp_path / f"checkpoint.best_{metric}_1.5.pt", 1)
    output = ["--output", str(tmp_path / "mean.pt")]
    for inputs, message in (
        ([first, "none.pt"], "--inputs none.pt: no such file"),
        ([first, other], f"--inputs {other}: differs from the model of the first checkpoint in weight"),
        ([first, diverged], f"--inputs {diverged}: weight has values that are not finite"),
        ([first, str(tmp_path / "list.pt")], "list.pt: expected a fairseq checkpoint"),
        ([first, str(tmp_path / "text.pt")], "text.pt: cannot be read as a fairseq checkpoint"),
        ([str(tmp_path)], f"--inputs {tmp_path}: is a directory; expected checkpoints, or a --num-...-checkpoints"),
        ([str(tmp_path), "--num-epoch-checkpoints", "1"], f"--num-epoch-checkpoints 1: {tmp_path} has 0 such"),
        ([first, "--num-epoch-checkpoints", "1"], f"--inputs {first}: expected one directory"),
        ([str(tmp_path), "--num-best-checkpoints", "1"], "--num-best-checkpoints: expected checkpoints of one metric"),
        ([first, "--output", str(tmp_path)], f"--output {tmp_path}: is a directory; expected a file"),
    ):
        assert message in refused(capsys, *output, "--inputs", *inputs)
        assert not (tmp_path / "mean.pt").exists()
