"""A step of a recipe runs once, whatever machine goes on and however many processes share the folder."""

import os
import re
import subprocess
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from recipes.common.checksum import checksum
from recipes.common.dry_run import RECIPES, SETTINGS

Run = Callable[..., Tuple[List[str], List[str]]]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def run(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs commands as a recipe does; it returns the lines of the output and of the errors."""
    for name in ("GPUS", "SCALE", *SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORK", str(work))
    monkeypatch.setenv("GPUS", "0")

    def finished(commands: str, **settings: str) -> Tuple[List[str], List[str]]:
        recipe = tmp_path / "recipe.sh"
        recipe.write_text(f"source {RECIPES}/common/recipe.sh\n{commands}\n", encoding="utf-8")
        done = subprocess.run(
            ["bash", str(recipe)], env={**os.environ, **settings}, capture_output=True, encoding="utf-8"
        )
        return done.stdout.splitlines(), done.stderr.splitlines()

    return finished


TRAIN = """
    mkdir -p $WORK/bin; echo ${text:-text} >$WORK/bin/train.bin
    fairseq-train() { echo "$*"; }
    fairseq-flexdepth() { :; }
    decoding=(--beam 4) training=(--lr ${lr:-0.1}) batch=${batch:-8000} max_tokens=2000 bin=$WORK/bin average=1
    step $WORK/a/seed1/train with_data "$(checksum_of $bin)" \\
        fairseq_train $bin $WORK/a/seed1 "$batch" $max_tokens "${training[@]}"
    text=text source_language=de target_language=en
    evaluate a test test"""


@pytest.mark.parametrize(
    "machine",
    [
        {"GPUS": "1", "FP16": "1"}, {"GPUS": "4", "JOBS": "2"}, {"WORKERS": "7"}, {"GPUS": "8", "LAUNCH": "srun"},
        {"SOURCE": "x"},
    ],  # fmt: skip
)
def test_a_finished_system_stays_finished_on_another_machine(run: Run, work: Path, machine: dict) -> None:
    assert run(TRAIN) == ([], [f"{work}/a/seed1/train", f"{work}/a/seed1/test"])
    assert run(TRAIN, **machine) == ([], [])


def test_a_folder_may_move(run: Run, work: Path) -> None:
    run(TRAIN)
    work.rename(work.with_name("elsewhere"))
    assert run(TRAIN, WORK=str(work.with_name("elsewhere"))) == ([], [])


def test_a_checksum_is_of_data_alone(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("a\n")
    before = checksum(tmp_path)
    for name in ("made.command", "made.done", "preprocess.log", "made.claim"):
        (tmp_path / name).touch()
    assert checksum(tmp_path) == before
    (tmp_path / "train.de").write_text("b\n")
    assert checksum(tmp_path) != before


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"lr": "0.2"}, "  --lr: 0.1 before, 0.2 now"),
        ({"batch": "9000"}, "  tokens per update: 8000 before, 9000 now"),
        ({"batch": "128 sentences"}, "  tokens per update: 8000 before, 128 sentences now"),
        ({"text": "other"}, "  checksum of the data: "),
    ],
)
def test_other_settings_are_named_with_their_old_and_new_value(
    run: Run, work: Path, setting: dict, line: str
) -> None:
    run(TRAIN)
    _, (error, *lines) = run(TRAIN, **setting)
    step = work / "a" / "seed1" / "train"
    assert error == f"error: {step} was begun with other settings: remove {step.parent}, or set WORK to another folder"
    assert len(lines) == 1 and lines[0].startswith(line)


def test_a_source_given_later_is_used(run: Run, work: Path, tmp_path: Path) -> None:
    text = f"data=iwslt14_de_en\noriginal_text {work}/text"
    begun = run(text, SCALE="small", SOURCE="none", CHECK="skip")[1]
    assert begun[0] == f"{work}/text/made" and begun[-1].startswith(f"error: {work}/text/made failed")
    again = run(text, SCALE="small", SOURCE="other", CHECK="skip")[1]
    assert again[0] == f"{work}/text/made"  # not refused
    (refused, longest) = run(text, SCALE="small", SOURCE="other", LONGEST="9", CHECK="skip")[1]
    assert "was begun with other settings" in refused and longest == "  LONGEST: not given before, 9 now"


def test_claims(run: Run, work: Path) -> None:
    here = 'host="$this_host" start=$(started $$)\n'
    step = f"{here}mkdir -p $WORK; claim_of() {{ echo $1 $2 $3 >$WORK/a.claim; }}\n"
    mine = "(claim $WORK/a && echo claimed || echo refused)"
    assert run(f"{step}claim_of $host $$ $start; {mine}")[0] == ["refused"]
    assert run(f"{step}claim_of $host $$ 0; {mine}")[0] == ["claimed"]  # another process had this number
    assert run(f"{step}claim_of $host 4194304 $start; {mine}")[0] == ["claimed"]
    assert run(f"{step}claim_of other/pid:[1] 4194304 0; {mine}")[0] == ["refused"]
    assert run(f"{step}claim_of other/pid:[1] 1 0; touch -d '-11 minutes' $WORK/a.claim; {mine}")[0] == ["claimed"]
    assert sorted(path.name for path in work.iterdir() if "claim" in path.name) == ["a.claim"]
    assert run(f"claim $WORK/b; release $WORK/b; {mine.replace('/a', '/b')}")[0] == ["claimed"]


def test_one_of_many_takes_over_a_stale_claim(run: Run) -> None:
    race = """
        echo $this_host 4194304 0 >$WORK/a.claim
        mkfifo $WORK/end; exec 3<>$WORK/end
        try() { if claim $WORK/a; then echo claimed; else echo refused; fi; read -ru 3 _; }
        mapfile -n 8 -t results < <(for n in {1..8}; do try & done)
        printf '%s\\n' "${results[@]}" | tee /dev/fd/3"""
    assert sorted(run(race)[0]) == ["claimed"] + 7 * ["refused"]


def test_a_system_of_another_process_comes_last(run: Run, work: Path) -> None:
    other = """
        claim $WORK/a
        (sleep() { rm -f $WORK/a.claim; }
        made() { step $WORK/$1 echo $1; }
        each made a b c)"""
    lines = run(other)[1]
    assert lines[0].endswith(" runs this step") and lines[1:3] == [f"{work}/b", f"{work}/c"]
    assert lines[-1] == f"{work}/a"


def test_averaged_checkpoints_are_deleted(run: Run, work: Path) -> None:
    train = """
        mkdir -p $WORK/bin; echo a >$WORK/bin/train.bin
        fairseq-train() { touch $WORK/a/seed1/checkpoint{_1_50,_1_100,_last,_best}.pt; }
        fairseq-flexdepth() { touch $WORK/a/seed1/averaged.pt; }
        python() { [[ $* = *checksum* ]] || echo '{}'; }
        training=() batch=1 max_tokens=1 bin=$WORK/bin average=2
        train a; ls $WORK/a/seed1/*.pt | xargs -n 1 basename"""
    kept = ["averaged.pt", "checkpoint_best.pt", "checkpoint_last.pt"]
    assert run(train, KEEP="all")[0] == sorted([*kept, "checkpoint_1_100.pt", "checkpoint_1_50.pt"])
    assert run(train)[0] == kept


def test_no_function_of_a_recipe_hides_a_program() -> None:
    programs = {
        "awk", "cat", "cp", "cut", "date", "dirname", "env", "factor", "find", "grep", "gzip", "head", "ln", "ls",
        "mkdir", "mv", "printf", "ps", "readlink", "rm", "rmdir", "sed", "seq", "sleep", "sort", "stat", "tail", "tee",
        "test", "touch", "tr", "uname", "wc", "xargs",
    }  # fmt: skip
    for script in RECIPES.glob("*/*.sh"):
        functions = set(re.findall(r"^ *([\w-]+)\(\) *\{", script.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert not functions & programs, script
