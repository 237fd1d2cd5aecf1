"""``fairseq-flexdepth sweep`` on a tiny model."""

import json
from pathlib import Path

import pytest
import sacrebleu

from tests.integration import cli


def sweep(*arguments: object, fails: bool = False) -> str:
    return cli.run(
        "python", "-m", "fairseq_flexdepth.cli.main", "sweep", *arguments, "--cpu", "--beam", 3, "--max-len-b", 10,
        "--num-workers", 0, fails=fails,
    )  # fmt: skip


def test_sweep_decodes_every_pair_as_generate_does(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    output = sweep(data, "--path", checkpoint, "--output", tmp_path)
    rows = json.loads((tmp_path / "sweep.json").read_text())
    assert [(row["enc_layers"], row["dec_layers"]) for row in rows] == [(n, m) for n in (1, 2, 3) for m in (1, 2)]
    assert (tmp_path / "heatmap.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.part"))
    assert output.count("\n| ") >= len(rows)

    generated = cli.hypotheses(cli.generate(data, checkpoint, "--enc-layers", 2, "--dec-layers", 1))
    hypotheses = (tmp_path / "e2d1.txt").read_text().splitlines()
    assert hypotheses == [line.split("\t")[2] for line in generated]
    references = (tmp_path / "reference.txt").read_text().splitlines()
    row = next(row for row in rows if (row["enc_layers"], row["dec_layers"]) == (2, 1))
    assert row["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score, abs=0.01)
    assert row["bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score, abs=0.01)
    assert row["sentences"] == 20
    assert row["sentences_per_second"] == pytest.approx(20 / row["seconds"], rel=0.1)


def test_mistakes_are_one_line_and_leave_nothing_behind(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "report"
    for arguments, message in (
        ((tmp_path / "nowhere", "--path", checkpoint), f"DATA {tmp_path / 'nowhere'}: no such directory"),
        ((data, "--path", tmp_path / "none.pt"), f"--path {tmp_path / 'none.pt'}: no such file"),
        ((data,), "--path: required"),
        ((data, "--path", checkpoint, "--gen-subset", "missing"), "Dataset not found: missing"),
    ):
        lines = sweep(*arguments, "--output", output, fails=True).splitlines()
        assert f"fairseq-flexdepth sweep: error: {message}" in lines[-1]
        assert not any("Traceback" in line for line in lines)
        assert not output.exists()
