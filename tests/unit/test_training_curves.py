"""Validation results over updates: fairseq's logs, ``fairseq-flexdepth curves`` and TensorBoard's groups."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict

import pytest
from fairseq.logging import progress_bar

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.files.training_log import validations

# update -> the values of a validation; the training was interrupted after update 20 and resumed from update 10
TIED = [
    (10, {"nll_loss": 5.5, "nll_e1d1": 6.0, "nll_e2d2": 5.0, "bleu_e1d1": 1.0}),
    (20, {"nll_loss": 9.0, "nll_e1d1": 9.0, "nll_e2d2": 9.0, "bleu_e1d1": 9.0}),
    (20, {"nll_loss": 3.5, "nll_e1d1": 4.0, "nll_e2d2": 3.0, "bleu_e1d1": 2.0}),
    (30, {"nll_loss": 4.0, "nll_e1d1": 5.0, "nll_e2d2": float("nan"), "bleu_e1d1": 1.5}),
]
VANILLA = [(10, {"nll_loss": 5.25}), (20, {"nll_loss": 4.125})]
LANGUAGE_MODEL = [(10, {"nll_loss": 5.5, "nll_d1": 6.0, "nll_d12": 5.0})]


def written(path: Path, log_format: str, results: Any, form: str, subset: str = "valid") -> Path:
    """A log by fairseq's own progress bars, with lines as its logging set-up or as ``--log-file`` writes them."""
    handler = logging.FileHandler(str(path))
    handler.setFormatter(logging.Formatter(form))
    logger = progress_bar.logger
    disabled, level, propagate = logger.manager.disable, logger.level, logger.propagate
    logging.disable(logging.NOTSET)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    logger.info("begin training epoch 1")
    for update, values in results:
        bar = progress_bar.progress_bar([], log_format=log_format, epoch=1, prefix=f"valid on '{subset}' subset")
        bar.print({**values, "num_updates": update}, tag=subset, step=update)
    logger.removeHandler(handler)
    handler.close()
    logger.setLevel(level)
    logger.propagate = propagate
    logging.disable(disabled)
    return path


PRINTED, PLAIN = "%(asctime)s | %(levelname)s | %(name)s | %(message)s", "%(message)s"


@pytest.mark.parametrize("form", [PRINTED, PLAIN])
@pytest.mark.parametrize("log_format", ["json", "simple", "tqdm"])
def test_validations_in_every_format(log_format: str, form: str, tmp_path: Path) -> None:
    log = written(tmp_path / "log", log_format, TIED[:1], form, subset="dev")
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert validations(lines, "dev") == [{"num_updates": 10, **TIED[0][1]}]
    assert validations(lines, "valid") == []


@pytest.fixture
def logs(tmp_path: Path) -> Dict[str, Path]:
    return {
        "tied": written(tmp_path / "tied.log", "json", TIED, PRINTED),
        "vanilla": written(tmp_path / "vanilla=1.log", "simple", VANILLA, PLAIN),
        "lm": written(tmp_path / "lm.log", "simple", LANGUAGE_MODEL, PLAIN),
    }


def test_the_table_and_the_picture(logs: Dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    picture = tmp_path / "curves.png"
    given = [f"tied={logs['tied']}", str(logs["vanilla"]), f"lm={logs['lm']}"]
    assert main(["curves", *given, "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:-1]]
    assert rows == [
        ["tied", "nll", "1", "1", "4.00", "20", "5.00"],
        ["tied", "nll", "2", "2", "3.00", "20", "3.00"],
        ["tied", "bleu", "1", "1", "2.00", "20", "1.50"],
        [str(logs["vanilla"]), "nll_loss", "", "", "4.12", "20", "4.12"],
        ["lm", "nll", "", "1", "6.00", "10", "6.00"],
        ["lm", "nll", "", "12", "5.00", "10", "5.00"],
    ]


def test_json_has_every_value(
    logs: Dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairseq_flexdepth.cli.report.curves_plot.draw_curves", lambda *_: None)
    for log, depths, expected in (
        ("tied", "2-2", {"enc_layers": 2, "dec_layers": 2, "updates": [10, 20], "values": [5.0, 3.0]}),
        ("lm", "12", {"enc_layers": None, "dec_layers": 12, "updates": [10], "values": [5.0]}),
    ):
        command = ["curves", str(logs[log]), "--output", str(tmp_path / "x.png"), "--depths", depths, "--json"]
        assert main(command) == 0
        (run,) = json.loads(capsys.readouterr().out)["runs"]
        assert (run["name"], run["log"]) == (str(logs[log]), str(logs[log]))
        assert run["curves"] == [{"metric": "nll", **expected}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["tied.log", "--depths", "3-3"], "--depths 3-3: tied.log has 1-1, 2-2"),
        (["tied.log", "--valid-subset", "dev"], "LOG tied.log: has no validation on dev; expected the log of"),
        (["tied.log", "a=tied.log", "a=tied.log"], "LOG a: given twice; expected different logs"),
        (["absent.log"], "LOG absent.log: No such file or directory"),
        (["tied.log", "--depths", "3-"], "--depths 3-: expected encoder and decoder depths such as 1-1,3-2"),
        (["tied.log", "--depths", "3"], "--depths 3: tied.log has 1-1, 2-2"),
        (["lm.log", "--depths", "1-1"], "--depths 1-1: lm.log has 1, 12"),
    ],
)
def test_mistakes(
    options: Any, message: str, logs: Dict[str, Path], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(logs["tied"].parent)
    assert main(["curves", *options, "--output", "x.png"]) == 2
    assert capsys.readouterr().err.startswith(f"fairseq-flexdepth curves: error: {message}")
    assert not Path("x.png").exists()


def test_tensorboard_shows_the_depth_pairs_in_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_values = []
    writer = SimpleNamespace(add_scalar=lambda *point: written_values.append(point), flush=lambda: None)
    monkeypatch.setattr(progress_bar, "SummaryWriter", None)  # no warning, no files: it need not be installed
    bar = progress_bar.progress_bar([], log_format="none", tensorboard_logdir=str(tmp_path))
    monkeypatch.setattr(bar, "_writer", lambda key: writer)
    bar.print({"nll_loss": 2.0, "nll_e1d12": 3.0, "bleu_e2d1": 4.0, "nll_d3": 5.0, "num_updates": 7}, tag="valid")
    values = [("bleu/e2d1", 4.0, 7), ("nll/d3", 5.0, 7), ("nll/e1d12", 3.0, 7), ("nll_loss", 2.0, 7)]
    assert sorted(written_values) == values
