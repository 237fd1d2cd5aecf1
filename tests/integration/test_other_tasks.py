"""fairseq's tasks for several languages, and mBART's: the table of docs/tasks.md is run cell by cell.

``test_table_of_tasks.py`` runs the rows of the other tasks.
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from fairseq.data import Dictionary
from fairseq.data.data_utils import load_indexed_dataset

import fairseq_flexdepth
from fairseq_flexdepth.cli.main import main
from tests.integration import cli, refusals
from tests.integration.directions import TASKS, Task, binarised_directions
from tests.integration.stock import stock_checkpoint

PAGE = cli.REPOSITORY / "docs" / "tasks.md"
LEARNING = ("--max-tokens", 1000, "--lr", 0.02, "--dropout", 0, "--max-update", 25, "--disable-validation")
EXACT = ("--dropout", 0, "--optimizer", "sgd", "--lr", 0.1, "--max-tokens", 500, "--sample-encoder-depths", 1)
SEARCH = ("--cpu", "--beam", 3, "--max-len-b", 10)
TAG = r"__(de|en|ev)__|\[(de|en|ev)\]"
DEPTH = ("--enc-layers", 2, "--dec-layers", 1)
# The row of a task: with which options it is run.
ROWS = {
    "translation_multi_simple_epoch": TASKS["one model"],
    "multilingual_translation": TASKS["model per direction"],
    "translation_from_pretrained_bart": TASKS["mBART"],
}
COMMANDS = (
    "train", "generate", "interactive", "validate", "sweep", "oracle", "distill", "export", "selector", "drafting"
)  # fmt: skip


def cells(task: str) -> Dict[str, str]:
    """The row of *task* in the table, by command."""
    (row,) = re.findall(rf"(?m)^\| `{task}` \|(.*)\|$", PAGE.read_text(encoding="utf-8"))
    return dict(zip(COMMANDS, map(str.strip, row.split("|"))))


@pytest.fixture(scope="module")
def directions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return binarised_directions(tmp_path_factory.mktemp("directions"))


@pytest.fixture(scope="module")
def trained(directions: Path, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """A checkpoint of each task."""
    folder = tmp_path_factory.mktemp("trained")
    for name, task in ROWS.items():
        cli.train(directions, folder / name, *LEARNING, *task.training)
    return {name: folder / name / "checkpoint_last.pt" for name in ROWS}


@pytest.mark.parametrize("name", ROWS)
def test_two_ranks_and_a_resumed_training_equal_one_process(directions: Path, tmp_path: Path, name: str) -> None:
    """Depths that run one after another compute what they compute together."""
    options = (*EXACT, *ROWS[name].training, "--ignore-prefix-size", 1, "--report-accuracy")
    alone = cli.train(directions, tmp_path / "alone", *options, "--update-freq", 2, "--max-epoch", 2)
    assert "valid_nll_e2d1" in alone and "valid_accuracy_e2d1" in alone
    cli.train_on_two_ranks(directions, tmp_path / "ranks", *options, "--accumulate-depths", "--max-update", 2)
    cli.train(directions, tmp_path / "ranks", *options, "--accumulate-depths", "--update-freq", 2, "--max-epoch", 2)
    assert cli.largest_difference(tmp_path / "alone", tmp_path / "ranks") < 1e-5


def _ours(command: str, *arguments: Any) -> None:
    assert main([command, *map(str, arguments)]) == 0


@lru_cache(maxsize=None)
def _generated(data: Path, checkpoint: Path, task: Task) -> List[str]:
    """The hypotheses of fairseq-generate at the depth pair (2, 1)."""
    output = cli.generate(data, checkpoint, *task.decoding, *DEPTH)
    assert "decoding with 2 of 3 encoder layers, 1 of 2 decoder layers" in output
    return cli.hypotheses(output)


def _generate(data: Path, checkpoint: Path, task: Task, folder: Path) -> None:
    """A stock model of these layers translates alike, in every direction."""
    stock = stock_checkpoint(checkpoint, (1, 2), (1,), folder / "stock.pt")
    for direction in task.directions:
        output = cli.generate(data, stock, *direction.decoding)
        hypotheses = _generated(data, checkpoint, direction), cli.hypotheses(output)
        ours, theirs = ([line.split("\t") for line in lines] for lines in hypotheses)
        assert [line[::2] for line in ours] == [line[::2] for line in theirs] and len(ours) == 10
        for our_line, stock_line in zip(ours, theirs):
            assert float(our_line[1]) == pytest.approx(float(stock_line[1]), abs=1e-5)


@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name] not in ROWS.values()])
def test_other_tags(directions: Path, tmp_path: Path, name: str) -> None:
    task = TASKS[name]
    cli.train(directions, tmp_path, *LEARNING, *task.training)
    _generate(directions, tmp_path / "checkpoint_last.pt", task, tmp_path)
    _sweep(directions, tmp_path / "checkpoint_last.pt", task, tmp_path)


def _interactive(data: Path, checkpoint: Path, task: Task, folder: Path) -> None:
    """The same translation as in fairseq-generate, and in Python."""
    line = (data.parent / "text" / "test.de").read_text(encoding="utf-8").splitlines()[0]
    typed = cli.run(
        "fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", checkpoint, *SEARCH, *task.decoding, *DEPTH,
        stdin=f"{line}\n",
    )  # fmt: skip
    (found,) = (hypothesis.split("\t")[2] for hypothesis in cli.hypotheses(typed))
    assert found == _generated(data, checkpoint, task)[0].split("\t")[2]
    hub = fairseq_flexdepth.load(str(checkpoint), data=str(data), source_lang="de", target_lang="en")
    hub.set_depth(2, 1)
    words = [word for word in found.split() if not re.fullmatch(TAG, word)]  # it may have invented some
    assert hub.translate(line, beam=3, max_len_b=10) == " ".join(words)


def _validate(data: Path, checkpoint: Path, task: Task, folder: Path) -> None:
    """The loss of this depth alone; mBART's task also logs BLEU, as at the depths of ``--eval-bleu-depths``."""
    arguments = (data, "--user-dir", cli.PLUGIN, "--path", checkpoint, "--cpu", "--max-tokens", 500)
    bleu = ("--eval-bleu", "--eval-bleu-args", '{"beam": 3, "max_len_b": 10}') if "--langs" in task.options else ()
    given = (*arguments, *task.training[:-2], *bleu)
    output = cli.run("fairseq-validate", *given, *DEPTH).splitlines()[-1]
    assert "nll_e2d1" in output and "nll_e3d2" not in output
    if bleu:
        at_depths = cli.run("fairseq-validate", *given, "--eval-bleu-depths", "2-1,1-1").splitlines()[-1]
        scores = dict(re.findall(r"(bleu\w*) ([\d.]+)", at_depths))
        assert list(scores) == ["bleu", "bleu_e1d1", "bleu_e2d1"] and len(set(scores.values())) > 1
        assert re.findall(r"bleu ([\d.]+)", output) == [scores["bleu_e2d1"]]


def _sweep(data: Path, checkpoint: Path, task: Task, folder: Path) -> None:
    for number, direction in enumerate(task.directions):
        _sweep_direction(data, checkpoint, direction, folder / f"direction{number}")


def _sweep_direction(data: Path, checkpoint: Path, task: Task, folder: Path) -> None:
    """The direction that is given, as in fairseq-generate; the text has no tags."""
    _ours("sweep", data, "--path", checkpoint, "--output", folder / "sweep", *SEARCH, *task.decoding)
    rows = json.loads((folder / "sweep" / "sweep.json").read_text())
    assert [(row["enc_layers"], row["dec_layers"]) for row in rows] == [(n, m) for n in (1, 2, 3) for m in (1, 2)]
    generated = _generated(data, checkpoint, task)
    texts = (folder / "sweep" / "e2d1.txt").read_text(encoding="utf-8").splitlines()
    assert texts == [line.split("\t")[2] for line in generated]
    for name in ("source", "reference"):
        assert not re.search(TAG, (folder / "sweep" / f"{name}.txt").read_text())


def _distill(data: Path, checkpoint: Path, task: Task, folder: Path) -> None:
    """The sources are those of the data, token by token."""
    destination = folder / "distilled"
    options = ("--gen-subset", "test", "--save-text", "--match-source-len", "--cpu", "--beam", 2)
    _ours("distill", data, "--path", checkpoint, "--dest", destination, *task.decoding, *options)
    pairs = json.loads((destination / "distill.json").read_text())["pairs"]
    words = Dictionary.load(str(data / "dict.de.txt"))
    distilled, known = (
        [tuple(side[index].tolist()) for index in range(len(side))]
        for side in (load_indexed_dataset(str(place / "test.de-en.de"), words) for place in (destination, data))
    )
    assert len(distilled) == pairs > 5  # a hypothesis that does not end is dropped
    assert set(distilled) <= set(known)
    for language in ("de", "en"):
        assert not re.search(TAG, (destination / f"test.{language}").read_text(encoding="utf-8"))


YES: Dict[str, Callable[[Path, Path, Task, Path], None]] = {
    "train": lambda data, checkpoint, task, folder: None,  # the fixture has trained it
    "generate": _generate,
    "interactive": _interactive,
    "validate": _validate,
    "sweep": _sweep,
    "distill": _distill,
}


def _refusal(command: str, data: Path, checkpoint: Path, task: Task, folder: Path) -> str:
    """The one line with which a command that the table refuses stops."""
    if command == "oracle":
        return refusals.ours("oracle", data, "--path", checkpoint, "--output", folder / "new", *task.decoding)
    if command == "export":
        return refusals.ours("export", "--path", checkpoint, "--output", folder / "new")
    option = ("--depth-selector", "length:12=1-1,3-2") if command == "selector" else ("--draft-dec-layers", 1)
    return refusals.decoding(data, checkpoint, *task.decoding, *option)


EXPECTED = {
    "oracle": "oracle takes translation, translation_flexdepth; a depth selector knows no language tags",
    "export": r"expected a translation model|expected --task translation, whose sentences have no language tags",
    "selector": "^ValueError: --depth-selector length:12=1-1,3-2: selectors read words, .*; expected --enc-layers ",
    "drafting": "^ValueError: --draft-dec-layers 1: our greedy search knows no language tags; expected --beam 1 ",
}


@pytest.mark.parametrize("name", ROWS)
def test_every_cell_is_true(directions: Path, trained: Dict[str, Path], tmp_path: Path, name: str) -> None:
    row = cells(name)
    assert set(row.values()) <= {"yes", "refused"}
    for command in COMMANDS:
        cell = row[command]
        if cell == "yes":
            YES[command](directions, trained[name], ROWS[name], tmp_path)
            continue
        line = _refusal(command, directions, trained[name], ROWS[name], tmp_path)
        assert re.search(EXPECTED[command], line), line
        assert not (tmp_path / "new").exists()


DEPTHS = {"--enc-layers 4": "this model supports 1,2,3", "--dec-layers 3": "this model supports 1,2"}
OF_ALL = [
    *((command, option, f"{option}: {why}") for command in ("generate", "validate") for option, why in DEPTHS.items()),
    ("interactive", "--enc-layers 0", "--enc-layers 0: this model supports 1,2,3"),
]
DAE = "--langtoks {'main':('tgt_dae','tgt')}"  # tags of another kind of text
NO_TAG = "--langtoks, --langtoks-specs: cannot find language token __en_dae__ in the dictionary"
MISTAKES = {
    "translation_multi_simple_epoch": [
        ("generate", "--target-lang fr", "language pair de-fr contains languages that are not in the languag"),
        ("generate", "--source-lang ev", "DATA {data}: no split test of ev-en; it has test, train, valid"),
        ("generate", DAE, NO_TAG),
        ("train", DAE, NO_TAG),
        ("train", "--langtoks-specs dae", NO_TAG.replace("en_dae", "en")),
        ("generate", "--lang-pairs de-en", "source dictionary of 1002 entries: the checkpoint was trained with 1003; "),
    ],
    "multilingual_translation": [
        ("generate", "--target-lang fr", "--source-lang de --target-lang fr: expected one of --lang-pairs de-en"),
        ("generate", "--source-lang ev", "--source-lang ev --target-lang en: expected one of --lang-pairs de-en"),
        ("generate", "--encoder-langtok src", "--encoder-langtok should be tgt."),
        ("generate", "--lang-pairs de-en", "--lang-pairs should include all the language pairs ['de-en', 'en-d"),
    ],
    "translation_from_pretrained_bart": [
        ("generate", "--target-lang fr", "{data}/dict.fr.txt: no such dictionary; expected a file written by fair"),
        ("generate", "--source-lang ev", "DATA {data}: no split test of ev-en; it has test, train, valid"),
        ("generate", "--langs de,fr", "--langs de,fr: expected en, too, of the direction"),
        ("generate", "--langs de,en", "source dictionary of 1003 entries: the checkpoint was trained with 1004; give"),
    ],
}


@pytest.mark.parametrize("name", ROWS)
def test_mistakes(directions: Path, trained: Dict[str, Path], tmp_path: Path, name: str) -> None:
    task = ROWS[name]
    for command, given, message in [*OF_ALL, *MISTAKES[name]]:
        options = given.split()
        if command == "train":
            line = refusals.training(directions, tmp_path, *task.training, *options)
        else:
            own = task.training[:-2] if command == "validate" else task.decoding
            line = refusals.decoding(directions, trained[name], *own, *options, command=f"fairseq-{command}")
        assert line.startswith(f"ValueError: {message.format(data=directions)}"), (given, line)
    assert not list(tmp_path.iterdir())
