"""The rows of docs/tasks.md that have no language tags, cell by cell; ``test_other_tasks.py`` runs the others.

That a depth computes the same as a stock model of those layers is tested with each task; here each command agrees with
fairseq-generate.
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import pytest

from fairseq_flexdepth.cli.main import main
from tests.integration import cli, refusals
from tests.integration.test_flexible_language_model import BY_SENTENCE, SHARED, training
from tests.integration.test_language_model_training import binarised_text
from tests.integration.test_other_tasks import COMMANDS, PAGE, cells
from tests.integration.test_other_tasks import ROWS as TAGGED_ROWS
from tests.integration.test_speech_training import EVERY_DEPTH, ONLY_LAST, write_speech
from tests.integration.test_speech_training import train as train_speech

LEARNING = (
    "--encoder-depths", "2,4", "--dropout", 0, "--lr-scheduler", "inverse_sqrt", "--warmup-updates", 5,
    "--max-update", 40,
)  # fmt: skip
ROWS = ("translation", "language_modeling", "speech_to_text")
SEARCH = ("--cpu", "--num-workers", 0, "--beam", 3, "--max-len-b", 10)


class Row(NamedTuple):
    """A task with its data and a checkpoint."""

    data: Path
    checkpoint: Path
    options: Tuple[Any, ...]  # of every command
    depth: Tuple[Any, ...]
    described: str  # the depth, as the log tells it
    exits: Tuple[Tuple[Any, ...], ...]  # by sweep's numbers of layers
    typed: str  # the test set as input of fairseq-interactive
    by_prefix: Tuple[Any, ...] = ()  # lets fairseq-generate continue the typed words of a language model


def _translation(data: Path, checkpoint: Path) -> Row:
    exits = tuple((n, m) for n in (1, 2, 3) for m in (1, 2))
    depth, described = ("--enc-layers", 2, "--dec-layers", 1), "2 of 3 encoder layers, 1 of 2 decoder layers"
    typed = (data.parent / "text" / "test.src").read_text()
    return Row(data, checkpoint, ("--task", "translation"), depth, described, exits, typed)


def _language_modeling(folder: Path) -> Row:
    text = binarised_text(folder / "text")
    cli.run("fairseq-train", *training(text, folder, *SHARED), "--user-dir", cli.PLUGIN)
    lines = (text.parent / "test.txt").read_text().splitlines()
    typed = "".join(f"{' '.join(line.split()[:3])}\n" for line in lines)
    options, prefix = ("--task", "language_modeling", *BY_SENTENCE), ("--prefix-size", 3, "--batch-size", 7)
    described, exits = "1 of 3 decoder layers", ((1,), (2,), (3,))
    return Row(text, folder / "checkpoint_last.pt", options, ("--dec-layers", 1), described, exits, typed, prefix)


def _speech_to_text(folder: Path) -> Row:
    speech = write_speech(folder)
    train_speech(speech, folder / "model", *EVERY_DEPTH, *ONLY_LAST, *LEARNING)
    exits = tuple((n, m) for n in (2, 4) for m in (1, 2))
    depth, described = ("--enc-layers", 2, "--dec-layers", 1), "2 of 4 encoder layers, 1 of 2 decoder layers"
    typed = "".join(f"{speech / 'features' / f'test{number}.npy'}\n" for number in range(20))
    options = ("--task", "speech_to_text", "--max-tokens", 600)
    return Row(speech, folder / "model" / "checkpoint_last.pt", options, depth, described, exits, typed)


def _row(name: str, request: pytest.FixtureRequest, folder: Path) -> Row:
    if name == "translation":
        return _translation(request.getfixturevalue("data"), request.getfixturevalue("teacher"))
    return {"language_modeling": _language_modeling, "speech_to_text": _speech_to_text}[name](folder)


@pytest.fixture(scope="module", params=ROWS)
def named_row(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tuple[str, Row]:
    return request.param, _row(request.param, request, tmp_path_factory.mktemp(request.param))


def _ours(command: str, *arguments: Any) -> None:
    assert main([command, *map(str, arguments)]) == 0


def _run(command: str, row: Row, *options: Any, **run_options: Any) -> str:
    return cli.run(command, row.data, "--user-dir", cli.PLUGIN, *row.options, *options, **run_options)


def _words(output: str) -> List[str]:
    """The hypotheses without their scores, in the order of the data."""
    return [line.split("\t")[2] for line in cli.hypotheses(output)]


@lru_cache(maxsize=None)
def _generated(row: Row) -> List[str]:
    """The hypotheses of fairseq-generate at the depth of the row."""
    output = _run("fairseq-generate", row, "--path", row.checkpoint, *SEARCH, *row.by_prefix, *row.depth)
    assert f"decoding with {row.described}" in output
    return _words(output)


def _generate(row: Row, folder: Path) -> None:
    """The depth matters, so that the other commands can be compared with this one."""
    deepest = _words(_run("fairseq-generate", row, "--path", row.checkpoint, *SEARCH, *row.by_prefix))
    assert len(deepest) == len(_generated(row)) == 20 and deepest != _generated(row)


def _interactive(row: Row, folder: Path) -> None:
    typed = _run("fairseq-interactive", row, "--path", row.checkpoint, *SEARCH, *row.depth, stdin=row.typed)
    assert _words(typed) == _generated(row)


def _validate(row: Row, folder: Path) -> None:
    """The loss of this depth alone."""
    options = ("--path", row.checkpoint, "--cpu", "--num-workers", 0, "--batch-size", 20, "--valid-subset", "valid")
    found = re.findall(r"\bnll_(?:e\d)?d\d\b", _run("fairseq-validate", row, *options, *row.depth))
    expected = "d1" if len(row.exits[0]) == 1 else "e2d1"
    assert found == [f"nll_{expected}"]


def _sweep(row: Row, folder: Path) -> None:
    """Every depth; the texts are those of fairseq-generate."""
    search = SEARCH if len(row.exits[0]) == 2 else ("--cpu", "--num-workers", 0)
    _ours("sweep", row.data, "--path", row.checkpoint, "--output", folder / "sweep", *row.options, *search)
    found = json.loads((folder / "sweep" / "sweep.json").read_text())
    names = ("enc_layers", "dec_layers")[-len(row.exits[0]) :]
    assert [tuple(line[name] for name in names) for line in found] == list(row.exits)
    if len(names) == 2:
        assert (folder / "sweep" / "e2d1.txt").read_text().splitlines() == _generated(row)


def _oracle(row: Row, folder: Path) -> None:
    options = ("--gen-subset", "test", *row.options, *SEARCH)
    _ours("oracle", row.data, "--path", row.checkpoint, "--output", folder / "labels", *options)
    pairs = json.loads((folder / "labels" / "test.oracle.json").read_text())["pairs"]
    assert [(pair["enc_layers"], pair["dec_layers"]) for pair in pairs] == list(row.exits)


def _distill(row: Row, folder: Path) -> None:
    options = ("--gen-subset", "test", "--save-text", *row.options, *SEARCH, *row.depth)
    _ours("distill", row.data, "--path", row.checkpoint, "--dest", folder / "distilled", *options)
    targets = (folder / "distilled" / "test.tgt").read_text().splitlines()
    assert targets and set(targets) <= set(_generated(row))  # a hypothesis that does not end is dropped


def _export(row: Row, folder: Path) -> None:
    """A checkpoint of stock fairseq, which has this depth alone."""
    stock = folder / "stock.pt"
    _ours("export", "--path", row.checkpoint, "--output", stock, *row.depth)
    assert _words(_run("fairseq-generate", row, "--path", stock, *SEARCH, *row.by_prefix)) == _generated(row)


def _selector(row: Row, folder: Path) -> None:
    rule = ("--depth-selector", "length:99=2-1,3-2")
    assert _words(_run("fairseq-generate", row, "--path", row.checkpoint, *SEARCH, *rule)) == _generated(row)


def _drafting(row: Row, folder: Path) -> None:
    greedy = ("--path", row.checkpoint, *SEARCH, "--beam", 1)
    drafted = _words(_run("fairseq-generate", row, *greedy, "--draft-dec-layers", 1))
    assert drafted == _words(_run("fairseq-generate", row, *greedy)) and len(drafted) == 20


YES: Dict[str, Callable[[Row, Path], None]] = {
    "train": lambda row, folder: None,  # the fixture has trained it
    "generate": _generate,
    "interactive": _interactive,
    "validate": _validate,
    "sweep": _sweep,
    "oracle": _oracle,
    "distill": _distill,
    "export": _export,
    "selector": _selector,
    "drafting": _drafting,
}
TAKES = "takes translation, translation_flexdepth"
RULE = "length:12=1-1,3-2"
# The one line of each cell that is refused.
EXPECTED = {
    "language_modeling": {
        "oracle": f"^--task language_modeling: oracle {TAKES}$",
        "distill": f"^--task language_modeling: distill {TAKES}, multi",
        "selector": f"^ValueError: --depth-selector {RULE}: reads source sentences, which a language model does not",
        "drafting": "^ValueError: --draft-dec-layers 1: is for translation$",
    },
    "speech_to_text": {
        "oracle": f"^--task speech_to_text: oracle {TAKES}; speech has no source words$",
        "distill": f"^--task speech_to_text: distill {TAKES}, .*; speech has no source words$",
        "export": "expected a translation model or a language model .*: speech and other models are not exported$",
        "selector": f"^ValueError: --depth-selector {RULE}: selectors read words, which speech has not; leave it out",
        "drafting": "^ValueError: --draft-dec-layers 1: our greedy search decodes translations only; leave it out",
    },
}


def _refusal(command: str, row: Row, folder: Path) -> str:
    """The one line with which a command that the table refuses stops."""
    new = folder / "new"
    if command == "export":
        return refusals.ours("export", "--path", row.checkpoint, "--output", new)
    if command in ("oracle", "distill"):
        place = "--dest" if command == "distill" else "--output"
        return refusals.ours(command, row.data, *row.options, "--path", row.checkpoint, place, new)
    option = ("--depth-selector", RULE) if command == "selector" else ("--draft-dec-layers", 1)
    return refusals.decoding(row.data, row.checkpoint, *row.options, *option)


def test_these_rows_and_the_tagged_ones_are_the_whole_table() -> None:
    assert sorted([*ROWS, *TAGGED_ROWS]) == sorted(re.findall(r"(?m)^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8")))


def test_every_cell_is_true(named_row: Tuple[str, Row], tmp_path: Path) -> None:
    name, row = named_row
    told = cells(name)
    assert set(told.values()) <= {"yes", "refused"}
    for command in COMMANDS:
        if told[command] == "yes":
            YES[command](row, tmp_path)
            continue
        line = _refusal(command, row, tmp_path)
        assert re.search(EXPECTED[name][command], line), line
        assert not (tmp_path / "new").exists()


SPEECH_MISTAKES = [
    ("generate", "--enc-layers 3", "--enc-layers 3: this model supports 2,4"),
    ("generate", "--dec-layers 3", "--dec-layers 3: this model supports 1,2"),
    ("interactive", "--dec-layers 0", "--dec-layers 0: this model supports 1,2"),
    ("validate", "--enc-layers 1", "--enc-layers 1: this model supports 2,4"),
    ("generate", "--eval-bleu-depths 1-1", "--eval-bleu-depths 1-1: validation of speech has no --eval-bleu; leave it"),
    ("generate", "--gen-subset x", "DATA {data}: no split x; it has test, train, valid"),
    ("generate", "--config-yaml x", "--config-yaml x: no such file in DATA {data}"),
    ("generate", "--config-yaml tagged.yaml --prefix-size 1", "{data}/test.tsv: lacks the column tgt_lang, or a value"),
]


@pytest.mark.parametrize("named_row", ["speech_to_text"], indirect=True)
def test_mistakes_of_speech(named_row: Tuple[str, Row]) -> None:
    """Those of the other rows have tables of their own."""
    row = named_row[1]
    config = (row.data / "config.yaml").read_text()
    (row.data / "tagged.yaml").write_text(f"{config}prepend_tgt_lang_tag: true\n")
    for command, given, message in SPEECH_MISTAKES:
        options = (*row.options, *given.split())
        line = refusals.decoding(row.data, row.checkpoint, *options, command=f"fairseq-{command}")
        assert line.startswith(f"ValueError: {message.format(data=row.data)}"), (given, line)
