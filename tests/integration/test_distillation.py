"""Students trained with the real command lines: resuming, two ranks, and decoding without the teacher."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.integration import cli

STUDENT = ("--arch", "transformer_tiny", "--encoder-layers", 2, "--decoder-layers", 1)
CKD = ("--criterion", "ckd", "--ckd-mapping", "1:1+2,2:2+3")


@pytest.fixture(scope="module")
def teacher(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(str(checkpoint), str(tmp_path_factory.mktemp("teacher") / "teacher.pt")))


def test_a_ckd_student_resumes_exactly_and_decodes_alone(data: Path, teacher: Path, tmp_path: Path) -> None:
    options = (*STUDENT, *CKD, "--teacher-path", teacher)
    cli.train(data, tmp_path / "whole", *options, "--save-interval-updates", 3)
    log = cli.train(data, tmp_path / "parts", *options, "--restore-file", tmp_path / "whole" / "checkpoint_1_3.pt")
    assert cli.largest_difference(tmp_path / "whole", tmp_path / "parts") == 0
    assert '"layer_loss": ' in log
    assert '"kd_loss": ' in log
    states = [torch.load(str(tmp_path / run / "checkpoint_last.pt"))["criterion"] for run in ("whole", "parts")]
    assert list(states[0]) == [f"fusions.encoder_{n}.projection.{kind}" for n in (1, 2) for kind in ("weight", "bias")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])

    validated = cli.run(
        "fairseq-validate", data, "--user-dir", cli.PLUGIN, "--task", "translation", "--cpu", "--num-workers", 0,
        "--path", tmp_path / "whole" / "checkpoint_last.pt", "--max-tokens", 200,
    )  # fmt: skip
    assert "kd_loss" in validated
    assert "layer_loss" not in validated  # fairseq-validate loads no fusions

    alone = ("--max-update", 7, "--no-save-optimizer-state")
    cli.train(data, tmp_path / "plain", *STUDENT, "--criterion", "label_smoothed_cross_entropy", *alone)
    cli.train(data, tmp_path / "whole", *options, *alone)
    files = [tmp_path / run / "checkpoint_last.pt" for run in ("whole", "plain")]
    assert [parameter.shape for parameter in cli.parameters(files[0].parent).values()] == [
        parameter.shape for parameter in cli.parameters(files[1].parent).values()
    ]
    assert files[0].stat().st_size < files[1].stat().st_size + 1000  # the fusions alone would be 4,224 bytes
    assert torch.load(str(files[0]))["criterion"] == {}
    teacher.rename(teacher.with_suffix(".gone"))
    try:
        assert len(cli.hypotheses(cli.generate(data, tmp_path / "whole" / "checkpoint_last.pt"))) == 20
    finally:
        teacher.with_suffix(".gone").rename(teacher)


def test_a_student_of_a_task_that_adds_language_symbols(data: Path, tmp_path: Path) -> None:
    task = ("--task", "translation_multi_simple_epoch", "--lang-pairs", "src-tgt", "--encoder-langtok", "src")
    teacher = tmp_path / "teacher" / "checkpoint_last.pt"
    cli.train(data, teacher.parent, *task, "--max-update", 1)
    log = cli.train(data, tmp_path / "student", *STUDENT, *task, *CKD, "--teacher-path", teacher, "--max-update", 2)
    assert '"layer_loss": ' in log
    validated = cli.run(
        "fairseq-validate", data, "--user-dir", cli.PLUGIN, *task, "--cpu", "--num-workers", 0, "--max-tokens", 200,
        "--path", tmp_path / "student" / "checkpoint_last.pt",
    )  # fmt: skip
    assert "kd_loss" in validated
    log = cli.train(data, tmp_path / "other", *STUDENT, *CKD, "--teacher-path", teacher, fails=True)
    assert f"ValueError: --teacher-path {teacher}: its source dictionary has 18 entries, DATA's has 16" in log


def test_two_ranks_that_resume_are_one_process(data: Path, teacher: Path, tmp_path: Path) -> None:
    """Also with sampled depths, so that some updates do not use a fusion."""
    options = (
        *CKD, "--teacher-path", teacher, "--encoder-layers", 2, "--sample-encoder-depths", 1, "--dropout", 0,
        "--optimizer", "sgd", "--lr", 0.1, "--max-tokens", 130, "--max-update", 5,
    )  # fmt: skip
    cli.train_on_two_ranks(data, tmp_path / "two", *options, "--max-update", 2)
    cli.train_on_two_ranks(data, tmp_path / "two", *options)
    cli.train(data, tmp_path / "one", *options, "--update-freq", 2)
    assert cli.largest_difference(tmp_path / "two", tmp_path / "one") < 1e-5
    fusions = [torch.load(str(tmp_path / run / "checkpoint_last.pt"))["criterion"] for run in ("two", "one")]
    assert max(float((fusions[0][name] - fusions[1][name]).abs().max()) for name in fusions[0]) < 1e-5


def test_an_lstm_learns_from_an_ensemble(data: Path, teacher: Path, tmp_path: Path) -> None:
    taught = ("--criterion", "word_kd", "--teacher-path", f"{teacher}:{teacher}", "--kd-topk", 5)
    log = cli.train_lstm(data, tmp_path, *taught, "--max-update", 3)
    assert '"kd_dropped": ' in log


def test_a_teacher_that_does_not_fit_is_named(data: Path, teacher: Path, tmp_path: Path) -> None:
    state = torch.load(str(teacher))
    for name, value in state["model"].items():
        if "embed_tokens" in name or "output_projection" in name:
            state["model"][name] = value[:-1]
    torch.save(state, str(tmp_path / "other.pt"))
    log = cli.train(
        data, tmp_path, *STUDENT, "--criterion", "word_kd", "--teacher-path", tmp_path / "other.pt", fails=True
    )
    assert f"ValueError: --teacher-path {tmp_path / 'other.pt'}: its source dictionary has" in log
