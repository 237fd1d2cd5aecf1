"""The check that a recipe makes before any data or training. No server is asked."""

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List
from urllib.response import addinfourl

import pytest

from recipes.common import check, disk, downloads
from recipes.common.dry_run import RECIPES, SETTINGS

URL = "https://example.org/a.tgz"
DEAD, ALIVE = downloads.Answer("HTTP 404 Not Found", 0), downloads.Answer("", 3_000_000_000)
TRAINING = ["fairseq-train", "bin", "--save-dir", "work/vanilla/seed1"]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GPUS", "SCALE", *SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORK", str(tmp_path / "work"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(disk, "gigabytes", lambda commands, *rest: 0.0)
    return tmp_path / "work"


def found(*commands: List[str], **answers: downloads.Answer) -> List[str]:
    plan = check.Plan(Path("recipe.sh"), list(commands), [])
    return check.problems(plan, {f"https://example.org/{name}.tgz": answer for name, answer in answers.items()})


def matches(problems: List[str], *expected: str) -> None:
    assert len(problems) == len(expected), problems
    assert all(map(re.search, expected, problems)), problems


def test_a_file_is_there_or_can_be_downloaded_or_is_named(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need = ["need", f"{work}/downloads/a.tgz", URL, "See example.org."]
    matches(found(need, a=ALIVE))
    matches(
        found(need, need, a=DEAD),
        rf"^a.tgz: cannot be downloaded from {URL} \(HTTP 404 Not Found\); See example.org. "
        f"Put it into {work}/downloads, or set SOURCE to a folder with",
    )
    monkeypatch.setenv("SOURCE", "folder")
    assert not check.urls(check.Plan(Path("recipe.sh"), [need], []))
    matches(found(need), rf"^SOURCE=folder: has no a.tgz, expected the file of {URL}; See")
    (work / "downloads").mkdir(parents=True)
    (work / "downloads" / "a.tgz").touch()
    matches(found(need))


def test_pairs(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--languages", "en,de", "--splits", "valid", "--with", "synthetic"]

    def command(folder: Any) -> List[str]:
        return ["python", "-m", "recipes.layer_sharing.training_text", str(folder), str(work / "text"), *options]

    matches(found(command("PAIRS")), "^PAIRS: not set, expected the files that recipes/layer_sharing/README.md lists$")
    matches(found(command(work / "of/another/scale")))
    monkeypatch.setenv("PAIRS", str(work / "pairs"))
    (work / "pairs").mkdir(parents=True)
    for name in ("train.en", "train.de", "valid.en", "synthetic.en"):
        (work / "pairs" / name).touch()
    matches(found(command(work / "pairs")), "^PAIRS=.*/pairs: has no valid.de, synthetic.de; expected the files that")
    (work / "text").mkdir()
    for name in ("train.en", "train.de", "valid.en", "valid.de"):  # made already
        (work / "text" / name).touch()
    matches(found(command(work / "pairs")))


def test_programs_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("curl", "srun") else name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("soundfile", "sacremoses") else name)
    monkeypatch.setenv("LAUNCH", "srun --gpus=1")
    commands = [["curl", URL], ["python", "-m", "recipes.common.data.moses"], ["fairseq-generate", "moses"]]
    matches(
        found(*commands),
        "^curl: no such program, expected on the PATH$", "^srun: no such",
        r"^Python packages: sacremoses not found by \S+, expected: pip install '.\[recipes\]'$",
    )  # fmt: skip


def test_the_packages_are_those_of_the_extra() -> None:
    extra = re.search(r'"recipes": \[(.*?)\]', (RECIPES.parent / "setup.py").read_text(encoding="utf-8"), re.DOTALL)
    assert extra is not None
    packages = {name.replace("-", "_") for name in re.findall(r'^ *"([\w-]+)"', extra.group(1), re.MULTILINE)}
    assert {package for needed in check.PACKAGES.values() for package in needed} >= packages
    for file in (RECIPES / "common" / "data").glob("*.py"):
        imported = set(re.findall(r"^ +(?:from|import) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
        importer = {"miniature_speech": "miniature", "speech_archive": "miniature"}.get(file.stem, file.stem)
        module = f"recipes.common.data.{importer}"
        assert imported & packages <= set(check.PACKAGES.get(module, ())), module


def test_trainings_of_the_papers_need_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    matches(found([*TRAINING, "--cpu"]))
    monkeypatch.setenv("SCALE", "paper")
    matches(found(TRAINING))
    matches(found(["fairseq-flexdepth", "params", "--cpu"]))
    problems = found([*TRAINING, "--cpu"])
    matches(problems, "^GPUS: 0, expected at least 1 for 1 trainings at SCALE=paper: .* set GPUS, and LAUNCH")


def test_a_disk_has_room_for_downloads_and_checkpoints(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = ["fairseq-train", "bin", "--save-dir", str(work / "vanilla/seed1")]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=7e9))
    monkeypatch.setattr(disk, "gigabytes", lambda commands, *rest: float(4 * len(commands)))
    need = ["need", f"{work}/downloads/a.tgz", URL, ""]
    matches(found(training))
    matches(
        found(training, need, a=ALIVE),
        f"^disk of {work.parent}: 7.0 GB are free, expected 11.0 for downloads and checkpoints: set WORK, or DOWNLOADS",
    )
    for name, size in (("vanilla/seed1/checkpoint_last.pt", 3e9), ("downloads/a.tgz.part", 1.5e9)):  # made already
        file = work / name
        file.parent.mkdir(parents=True)
        with file.open("wb") as content:
            content.truncate(int(size))  # a hole, which takes no room
    matches(found(training, need, a=ALIVE))
    # a refused batch has ended the dry run: its trainings are not all known
    assert check.problems(check.Plan(Path("recipe.sh"), [training] * 9, ["batch"]), {}) == ["batch"]


SCRIPT = """
source RECIPES/common/recipe.sh
corpus=$work data=multi30k
original_text "$work/text"
system() { fairseq_train bin "$work/$1/seed1" $1 4096 --arch transformer --max-update 1; }
each system 8192 4096 2048
run touch "$work/trained"
"""


def test_a_recipe_stops_before_it_begins_and_names_everything(work: Path, tmp_path: Path) -> None:
    script = tmp_path / "paper" / "table1.sh"
    script.parent.mkdir()
    script.write_text(SCRIPT.replace("RECIPES", str(RECIPES)), encoding="utf-8")
    (tmp_path / "source").mkdir()
    plain = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    path = f"{Path(sys.executable).parent}{os.pathsep}{plain['PATH']}"
    settings = {"PATH": path, "GPUS": "8", "JOBS": "1", "SCALE": "paper", "SOURCE": str(tmp_path / "source")}

    def run(*arguments: str, **others: str) -> Any:
        return subprocess.run(
            ["bash", str(script), *arguments], env={**plain, **settings, **others}, capture_output=True, text=True
        )

    stopped = run()
    errors = stopped.stderr.splitlines()
    assert (stopped.returncode, stopped.stdout) == (1, "")
    files = [f"{name}.{language}.gz" for name in ("train", "val", "test_2016_flickr") for language in ("de", "en")]
    missing = [f"error: SOURCE={tmp_path}/source: has no {file}" for file in files]
    shortened = [re.sub(r"( tokens|has no [\w.]+).*", r"\1", line) for line in errors]
    assert shortened == ["error: 4096 tokens", "error: 2048 tokens", *missing]
    for asked in (run("--check"), run(CHECK="1")):
        assert (asked.returncode, asked.stderr) == (1, "")
        assert asked.stdout.splitlines() == ["paper/table1: 8 problems", *errors]
    fine = run("--check", SCALE="smoke", SOURCE="")
    assert (fine.returncode, fine.stdout) == (0, "paper/table1: ok\n")
    assert not work.exists()


class Server:
    """A stand-in for urlopen: answers a method with a status, or with headers."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: List[str] = []

    def __call__(self, request: urllib.request.Request, timeout: float) -> Any:
        method = request.get_method()
        self.asked.append(method)
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            raise urllib.error.HTTPError(request.full_url, answer, "Refused", {}, io.BytesIO())  # type: ignore[arg-type]
        headers = HTTPMessage()
        for name, value in answer.items():
            headers[name] = value
        return addinfourl(io.BytesIO(), headers, request.full_url)


FILE = {"Content-Type": "application/gzip"}


@pytest.mark.parametrize(
    ("answers", "expected", "asked"),
    [
        ({"HEAD": {**FILE, "Content-Length": "5"}}, ("", 5), 1),
        ({"HEAD": 405, "GET": {**FILE, "Content-Length": "1", "Content-Range": "bytes 0-0/7"}}, ("", 7), 2),
        ({"HEAD": 404, "GET": 404}, ("HTTP 404 Refused", 0), 2),
        ({"HEAD": {"Content-Type": "text/html"}}, ("it is a web page, not a file", 0), 1),
        ({"HEAD": FILE}, ("", 0), 1),
        ({"HEAD": TimeoutError("timed out"), "GET": urllib.error.URLError("no route")}, ("no route", 0), 2),
    ],
)
def test_what_servers_answer(
    answers: Dict[str, Any], expected: Any, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(**answers)
    monkeypatch.setattr(urllib.request, "urlopen", server)
    assert downloads.ask(URL) == expected
    assert len(server.asked) == asked


def test_a_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"12345")
    assert downloads.ask(f"file://{tmp_path}/a.tgz") == ("", 5)
    assert "No such file" in downloads.ask(f"file://{tmp_path}/b.tgz").trouble
