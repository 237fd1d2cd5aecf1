"""Files that are empty, truncated, of another kind, or do not fit: one line that names the file."""

import pickle
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy
import pytest
import torch

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.decoding.selector_checkpoint import load_selector
from fairseq_flexdepth.files.depth_labels import labels_file, load_labels
from fairseq_flexdepth.models.teacher import load_teacher
from fairseq_flexdepth.tasks.sentence_weights import WeightedSentences
from tests import labels, tiny
from tests.integration import cli
from tests.integration.refusals import DECODING, decoding, ours, training

NO_CHECKPOINT = "cannot be read as a fairseq checkpoint"
OTHER_WEIGHTS = "weights do not match"
WRITTEN = "expected a file written by fairseq-preprocess"


def write_zip(path: Path, state: Dict[str, Any]) -> None:
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("readme.txt", "hello")


def without(state: Dict[str, Any], *parts: str) -> Dict[str, Any]:
    """The checkpoint without the weights whose names contain one of these parts."""
    kept = {key: value for key, value in state["model"].items() if not set(parts) & set(key.split("."))}
    return {**state, "model": kept}


# A function that writes a broken checkpoint, given its path and an intact one; and the expected message.
CHECKPOINTS: Dict[str, Any] = {
    "empty": (lambda path, state: path.write_bytes(b""), NO_CHECKPOINT),
    "text": (lambda path, state: path.write_text("hello\nworld\n"), NO_CHECKPOINT),
    "pickle": (lambda path, state: path.write_bytes(pickle.dumps({"a": [1, 2]})), NO_CHECKPOINT),
    "zip": (write_zip, NO_CHECKPOINT),
    "list": (lambda path, state: torch.save([1], str(path)), NO_CHECKPOINT),
    "no model": (lambda path, state: torch.save({"weights": 1}, str(path)), NO_CHECKPOINT),
    "model None": (lambda path, state: torch.save({**state, "model": None}, str(path)), "it holds no model"),
    "empty model": (lambda path, state: torch.save({**state, "model": {}}, str(path)), "it holds no model"),
    "no options": (
        lambda path, state: torch.save({**state, "cfg": None, "args": None}, str(path)),
        "it does not hold the model's options",
    ),
    "layer missing": (lambda path, state: torch.save(without(state, "fc1"), str(path)), OTHER_WEIGHTS),
    **{
        f"cut after {share:.3%}": (lambda path, state, share=share: save_cut(path, state, share), NO_CHECKPOINT)
        for share in (0.00001, 0.01, 0.5, 0.9, 0.9999)
    },
}  # fmt: skip


def save_cut(path: Path, state: Dict[str, Any], share: float) -> None:
    torch.save(state, str(path))
    cut(path, share)


def cut(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: max(1, int(len(whole) * share))])


@pytest.fixture(params=CHECKPOINTS)
def broken(request: pytest.FixtureRequest, checkpoint: Path, tmp_path: Path) -> Path:
    """A broken checkpoint."""
    write, _ = CHECKPOINTS[request.param]
    write(tmp_path / "broken.pt", torch.load(str(checkpoint), map_location="cpu"))
    return tmp_path / "broken.pt"


def test_a_broken_checkpoint(broken: Path, request: Any, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    message = CHECKPOINTS[request.node.callspec.params["broken"]][1]
    output = tmp_path / "new"
    for line in (decoding(data, broken), ours("export", "--path", broken, "--output", output, "--data", data)):
        assert message in line, line
        assert message == OTHER_WEIGHTS or str(broken) in line, line
    if message == OTHER_WEIGHTS:
        line = training(data, tmp_path / "model", "--criterion", "word_kd", "--teacher-path", broken)
        assert line.startswith(f"ValueError: --teacher-path {broken}: ") and message in line
    else:
        with pytest.raises(ValueError, match=f"^--teacher-path {broken}: .*{message}"):
            load_teacher(str(broken), tiny.task(16))
        with pytest.raises(ValueError, match=f"^--depth-selector {broken}: .*{message}"):
            load_selector(str(broken), tiny.dictionary(16))
    if message in (NO_CHECKPOINT, "it holds no model"):
        for line in (
            ours("prune", "--path", broken, "--fraction", 0.5, "--output", output),
            ours("average", "--inputs", checkpoint, broken, "--output", output),
        ):
            assert str(broken) in line, line
    assert not output.exists()


@pytest.mark.parametrize("name", ["empty", "no model", "layer missing"])
def test_sub_commands_that_decode_read_checkpoints_alike(
    name: str, data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    write, message = CHECKPOINTS[name]
    write(tmp_path / "broken.pt", torch.load(str(checkpoint), map_location="cpu"))
    for command, place in (("sweep", "--output"), ("oracle", "--output"), ("distill", "--dest")):
        line = ours(command, data, "--path", tmp_path / "broken.pt", place, tmp_path / "new", *DECODING)
        assert message in line, line
    assert [path.name for path in tmp_path.iterdir()] == ["broken.pt"]


@pytest.mark.parametrize("option", ["--finetune-from-model", "--restore-file"])
def test_training_goes_on_from_checkpoints_alone(option: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_text("hello")
    line = training(data, tmp_path / "new", option, tmp_path / "broken.pt")
    assert line.startswith(f"ValueError: {tmp_path / 'broken.pt'}: {NO_CHECKPOINT}")
    assert not list(tmp_path.glob("new/*"))


def test_a_checkpoint_of_the_older_stack_decodes_alike(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    """The encoder layers of 0.12.2 hold copies of their weights."""
    state = torch.load(str(checkpoint), map_location="cpu")
    own = without(state, *FAST_PATH_NAMES)
    layers = {key.rsplit(".", 2)[0] for key in own["model"] if key.startswith("encoder.layers.") and ".fc1." in key}
    for layer in layers:
        own["model"].update({f"{layer}.{name}": torch.zeros(1) for name in FAST_PATH_NAMES})
    torch.save(own, str(tmp_path / "older.pt"))
    if any(key.endswith("in_proj_weight") for key in state["model"]):
        torch.save(state, str(tmp_path / "older.pt"))  # a real one
    given = ("--path", tmp_path / "older.pt", "--output", tmp_path / "exported.pt", "--data", data)
    assert main(["export", *map(str, given)]) == 0
    assert cli.hypotheses(cli.generate(data, tmp_path / "older.pt")) == cli.hypotheses(cli.generate(data, checkpoint))


def cut_to(length: float) -> Callable[[bytes], bytes]:
    """Keep only the first bytes: a number, or a share of them."""
    return lambda content: content[: int(length if length >= 1 else length * len(content))]


SOURCE, TARGET = "test.src-tgt.src", "test.src-tgt.tgt"
# a file of the data directory, the change to its content (None: the file is removed), the message
DATA = [
    (f"{SOURCE}.bin", lambda content: b"", f"{SOURCE}.bin: has no sentences; expected at least one"),
    (f"{SOURCE}.bin", cut_to(0.5), f"{SOURCE}.bin: has 96 bytes, its index"),
    (f"{SOURCE}.bin", lambda content: content + bytes(8), f"{SOURCE}.bin: has 200 bytes, its index"),
    (f"{SOURCE}.bin", lambda whole: b"\xff" * len(whole), f"{SOURCE}.bin: has token 65535, but its dictionary has 16"),
    (f"{TARGET}.bin", cut_to(2), f"{TARGET}.bin: has 2 bytes, its index"),
    (f"{SOURCE}.idx", lambda content: b"", f"{SOURCE}.idx: is not the index of a binarised data set, or truncated"),
    (f"{SOURCE}.idx", cut_to(12), f"{SOURCE}.idx: is not the index of a binarised data set, or truncated"),
    (f"{SOURCE}.idx", cut_to(40), f"{SOURCE}.idx: is damaged or truncated; {WRITTEN}"),
    (f"{TARGET}.idx", cut_to(0.9), f"{TARGET}.idx: is damaged or truncated; {WRITTEN}"),
    (f"{TARGET}.idx", lambda content: b"hello\n" * 50, f"{TARGET}.idx: is not the index of a binarised data set"),
    (f"{SOURCE}.idx", None, "no split test of src-tgt; it has test, train, valid"),
    (f"{SOURCE}.bin", None, "no split test of src-tgt; it has test, train, valid"),
    ("dict.src.txt", None, f"dict.src.txt: no such dictionary; {WRITTEN}"),
    ("dict.src.txt", lambda content: content.decode().encode("utf-16"), "read as a dictionary: expected text in UTF-8, "
        "given UTF-16"),
    ("dict.src.txt", lambda content: bytes(range(256)), "dict.src.txt: cannot be read as a dictionary: Incorrect enco"),
    ("dict.src.txt", lambda content: "wä 3\n".encode("latin-1"), "dict.src.txt: cannot be read as a dictionary: Incor"),
    ("dict.tgt.txt", lambda content: b"w1\n", "dict.tgt.txt: cannot be read as a dictionary: Incorrect dictionary fo"),
    ("dict.tgt.txt", lambda content: content * 2, "dict.tgt.txt: cannot be read as a dictionary: Duplicate word foun"),
    ("dict.src.txt", lambda content: b"", "source dictionary of 4 entries: the checkpoint was trained with 16"),
    ("dict.tgt.txt", lambda content: content[: content.index(b"\n") + 1], "target dictionary of 5 entries: the check"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "change", "message"), DATA)
def test_broken_data(
    file: str, change: Optional[Callable[[bytes], bytes]], message: str, data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(str(data), str(tmp_path / "bin"))
    content = (tmp_path / "bin" / file).read_bytes()
    if change is None:
        (tmp_path / "bin" / file).unlink()
    else:
        (tmp_path / "bin" / file).write_bytes(change(content))
    assert message in decoding(tmp_path / "bin", checkpoint)


def test_data_of_another_dictionary_or_length_is_not_trained_on(data: Path, tmp_path: Path) -> None:
    shutil.copytree(str(data), str(tmp_path / "bin"))
    (tmp_path / "bin" / "dict.src.txt").write_text("w1 3\nw2 4\n")
    line = training(tmp_path / "bin", tmp_path / "new")
    assert "valid.src-tgt.src.bin: has token 11, but its dictionary has 6 entries" in line
    shutil.copyfile(str(data / "dict.src.txt"), str(tmp_path / "bin" / "dict.src.txt"))
    for suffix in ("bin", "idx"):
        shutil.copyfile(str(data / f"test.src-tgt.tgt.{suffix}"), str(tmp_path / "bin" / f"train.src-tgt.tgt.{suffix}"))
    assert "expected as many sentences on both sides; " in training(tmp_path / "bin", tmp_path / "new")
    (tmp_path / "empty").mkdir()
    assert f"DATA {tmp_path / 'empty'}: Could not infer language pair" in training(tmp_path / "empty", tmp_path / "new")
    shutil.copyfile(str(data / "dict.src.txt"), str(tmp_path / "empty" / "dict.txt"))
    line = training(tmp_path / "empty", tmp_path / "new")
    assert line.endswith("made by fairseq-preprocess; for a language model give --task language_modeling")
    assert not list(tmp_path.glob("new/*"))


def test_sentences_too_long_or_of_no_words(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    """A sentence of 10,000 tokens is refused; empty ones are translated, also with a length rule."""
    (tmp_path / "long").write_text(f"{'w1 ' * 10000}\n")
    line = decoding(data, checkpoint, "--input", tmp_path / "long", command="fairseq-interactive")
    assert line.startswith("ValueError: input: Size of sample #0 is invalid (=(")
    assert "10001" in line and "max_positions=(1024, 1024)" in line
    interactive = ("fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", checkpoint, *DECODING)
    output = cli.run(*interactive, "--depth-selector", "length:1=1-1,3-2", stdin="\nw1 w2\n   \n")
    assert [line.partition("\t")[0] for line in output.splitlines() if line.startswith("H-")] == ["H-0", "H-1", "H-2"]
    last = cli.run(*interactive, "--input", data / "test.src-tgt.src.idx", fails=True).splitlines()[-1]
    assert last.startswith("UnicodeDecodeError: 'utf-8' codec can't decode byte")  # before our task is set up


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("wä\n".encode("latin-1") * 20, "expected text in UTF-8: 'utf-8' codec can't decode byte 0xe4 in position 1"),
        (("w1\n" * 20).encode("utf-16"), "expected text in UTF-8, given UTF-16"),
        (("w1\n" * 20).encode("utf-16-le"), "expected text in UTF-8, given UTF-16 without a byte order mark"),
        (("w1\n" * 20).encode("utf-32"), "expected text in UTF-8, given UTF-32"),
        (b"\x00\xff" * 50, "expected text in UTF-8: 'utf-8' codec can't decode byte 0xff in position 1"),
        (b"", "has 0 lines; expected 20, one per sentence"),
        (None, "No such file or directory; expected a text file"),
    ],
)
def test_references(content: Optional[bytes], message: str, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    references = tmp_path / "references.txt"
    if content is not None:
        references.write_bytes(content)
    given = (data, "--path", checkpoint, "--output", tmp_path / "new", *DECODING)
    assert ours("sweep", *given, "--references", references).startswith(f"--references {references}: {message}")
    assert not (tmp_path / "new").exists()


def test_labels_and_weights_that_are_damaged(tmp_path: Path) -> None:
    path = Path(labels_file(str(tmp_path), "train"))
    labels.labels_of(labels.sentences(12, seed=1)).save(str(path))
    whole = path.read_bytes()
    method = whole.index(b"PK\x01\x02") + 10  # of compression, in the archive's directory
    unknown_method = whole[:method] + b"\x63" + whole[method + 1 :]
    for damaged in (b"", whole[:10], whole[:-1], whole[: len(whole) // 2], unknown_method):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^X: .*train.labels.npz: not the labels of .*, or damaged: "):
            load_labels(str(tmp_path), "train", "X")
    weights = tmp_path / "weights.npy"
    numpy.save(str(weights), numpy.ones(3))
    whole = weights.read_bytes()
    for damaged in (b"", b"hello", whole[:5], whole[:-1]):
        weights.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^.*weights.npy: not the weights of fairseq-flexdepth distill, or dam"):
            WeightedSentences([0, 1, 2], str(weights))


def test_two_ranks_end_when_the_first_cannot_read_its_checkpoint(data: Path, tmp_path: Path) -> None:
    """Only the first rank reads the checkpoint, and the second rank waits for its contents."""
    last = tmp_path / "checkpoint_last.pt"
    last.write_bytes(b"no checkpoint")
    printed: List[str] = []

    def rank(*options: Any) -> str:
        printed.append(cli.train(data, tmp_path, *options, fails=True))
        return printed[-1]

    cli.on_two_ranks(rank)
    first, second = sorted(printed, key=lambda text: NO_CHECKPOINT not in text)
    assert f"Error: {last}: {NO_CHECKPOINT}" in first, first
    assert re.search("RuntimeError: .*(Connection closed by|Connection reset by)", second), second
    assert [path.name for path in tmp_path.iterdir()] == [last.name]
