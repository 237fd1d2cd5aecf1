"""Records of what recipes measured, and the verdicts that anyone can compute from them."""

import json
import lzma
import shutil

import pytest

from recipes.findings import commands, record, restore
from recipes.findings.finding import FOLDER, all_findings
from recipes.findings.report import main, markdown
from recipes.findings.results import results
from recipes.findings.verdict import HELD
from tests.measured import random_lines, save, scored

CURVE = [(50, 5.0), (80, 4.0), (100, 3.9)]  # it fell by 2.5 % in the last fifth


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two systems of dabre2020/5, as if its recipe had made them, and their records."""
    folder_of_all = tmp_path_factory.mktemp("made")
    work = folder_of_all / "work"
    shares = {"tied-multi": 0.3, "tied-multi-rs": 0.2}
    for system, share in shares.items():
        scored(work, random_lines(), system, share)
        for seed in (1, 2, 3):
            folder = work / system / f"seed{seed}"
            entry = json.loads((folder / "test/sweep.json").read_text())[0]
            save(folder / "test/sweep.json", [{**entry, "enc_layers": 1, "dec_layers": m} for m in (1, 2)])
            save(folder / "train.json", {"parameters": 7, "minutes": 2.0})
            lines = [f'| valid | {{"valid_nll_loss": "{loss}", "valid_num_updates": "{n}"}}' for n, loss in CURVE]
            lines += ['| train_inner | {"num_updates": "100", "wpb": "50"}']
            save(folder / "train.log", "\n".join(lines))
            printed = commands.recipe_lines("tied_multi/table3", "small", "", 3)
            training = next(words for words in printed if f"WORK/{system}/seed{seed}" in words)
            options = " ".join(training[training.index("--seed") :]).replace("(", "\\(")
            save(folder / "train.command", f"fairseq_train {work}/bin {folder} 2048 2048 {options}")
    record.write(work, ["tied_multi/table3"], "small", "multi30k", folder_of_all / "results")
    return folder_of_all


@pytest.fixture
def recorded(made, tmp_path):
    """A copy of the records, beside one of WORK."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "results"


def report(results, capsys, *options):
    main(["dabre2020/5", "--records", str(results), *options])
    return capsys.readouterr().out


def test_verdicts_are_computed_from_records(recorded, capsys, tmp_path):
    found = json.loads(report(recorded, capsys, "--json"))[0]
    part = found["parts"][0]
    assert (found["verdict"], part["seeds"], part["sentences"]) == (HELD, 3, 300)
    from_work = json.loads(report(recorded, capsys, "--json", "--work", str(tmp_path / "work")))[0]
    assert from_work["parts"] == found["parts"]
    text = report(recorded, capsys, "--output", str(tmp_path / "out/findings"))
    assert "**held**‡" in text
    assert "‡ Not converged" in text
    assert (tmp_path / "out/findings.md").read_text(encoding="utf-8") == text
    assert (tmp_path / "out/findings.png").stat().st_size > 10_000


def test_a_record_tells_how_it_was_made_and_no_folder_of_the_machine(made):
    recorded = made / "results"
    path = recorded / "small/tied_multi/multi30k/tied-multi/seed2.json"
    content = json.loads(path.read_text())
    assert str(made) not in path.read_text()
    assert content["training"] == {
        "updates": 100, "tokens": 5000, "seconds": 120, "validation": {str(n): loss for n, loss in CURVE},
    }  # fmt: skip
    assert any(command.startswith("fairseq-train") for command in content["commands"])
    assert content["files"]["train"]["last_fifth_improvement_percent"] == pytest.approx(2.5)
    assert len(list((recorded / "small/references").iterdir())) == 1


def test_stale_records_are_shown_and_not_used(recorded, capsys):
    path = recorded / "small/tied_multi/multi30k/tied-multi/seed2.json"
    content = json.loads(path.read_text())
    changed = (command.replace("--attention-dropout 0.1", "--attention-dropout 0.9") for command in content["commands"])
    content["commands"] = list(changed)
    save(path, content)
    found = json.loads(report(recorded, capsys, "--json"))[0]
    assert (found["stale"], found["parts"][0]["seeds"]) == (["tied-multi/seed2"], 2)
    assert "Stale, not used: tied_multi, `tied-multi/seed2`" in report(recorded, capsys)


def test_what_cannot_be_recorded_or_restored(recorded, tmp_path):
    work = tmp_path / "work"
    command = work / "tied-multi/seed1/train.command"
    command.write_text(command.read_text().replace("--attention-dropout 0.1", "--attention-dropout 0.2"))
    with pytest.raises(ValueError, match=r"train.command: another command than the recipe's"):
        record.write(work, ["tied_multi/table3"], "small", "multi30k", tmp_path)
    with pytest.raises(ValueError, match="nothing that ckd/table1 measure at SCALE=small was found"):
        record.write(work, ["ckd/table1"], "small", "multi30k", tmp_path)
    texts = recorded / "small/tied_multi/multi30k/tied-multi/seed2.texts.xz"
    texts.write_bytes(lzma.compress(b"[[")[:-3])
    with pytest.raises(ValueError, match="seed2.texts.xz: not the texts of a record"):
        restore.restore(texts.parents[1], tmp_path / "restored")


def test_verdicts_recompute_from_the_committed_records():
    found = results(all_findings(), record.RESULTS, "small")
    assert len(found) == 25
    written = FOLDER / "findings.md"
    assert not written.exists() or written.read_text(encoding="utf-8") == markdown(found)
