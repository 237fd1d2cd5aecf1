"""NumPy's arrays in a checkpoint: numbers are read, of either stack, and nothing else is."""

import pickle
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy
import pytest
import torch

from fairseq_flexdepth.files import safe_loader
from fairseq_flexdepth.files.checkpoint_arrays import NumberArray
from tests.hostile import Code, checked

safe_loader.allow_safe_checkpoints()

VALUES: Dict[str, Any] = {
    **{kind: numpy.arange(6).astype(kind) for kind in ("?", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "c8", "c16")},
    "rows": numpy.arange(6.0).reshape(2, 3),
    "columns": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
    "big-endian": numpy.arange(6, dtype=">i4"),
    "empty": numpy.zeros((0, 3)),
    "no axis": numpy.array(2.5),
    "scalar": numpy.float64(28.25),
    "integer": numpy.int64(7),
    "truth": numpy.bool_(True),
}


def saved(path: Path, value: Any) -> str:
    # In the form of old files, whose bytes a test can change.
    torch.save({"model": {}, "best": value}, str(path), _use_new_zipfile_serialization=False)
    return str(path)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
@pytest.mark.parametrize("name", VALUES)
def test_numbers_of_either_numpy(tmp_path: Path, name: str, module: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    saved(path, VALUES[name])
    content = path.read_bytes()
    for written in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        content = content.replace(b"c" + written + b"\n", b"c" + module + b"\n")
    assert module in content
    path.write_bytes(content)
    found, expected = torch.load(str(path))["best"], numpy.asarray(VALUES[name])
    assert numpy.isscalar(found) or found.dtype == expected.dtype.newbyteorder("=")
    assert numpy.shape(found) == expected.shape
    assert numpy.array_equal(found, expected)
    # Saved again, it holds an array of NumPy's own.
    again = torch.load(saved(path, found))["best"]
    assert numpy.array_equal(again, expected)
    assert b"fairseq_flexdepth" not in path.read_bytes()


class Built:
    """Unpickled, it is made by *function* and gets *state*."""

    def __init__(self, function: Callable, arguments: Tuple, state: Any = None) -> None:
        self.made = function, arguments, state

    def __reduce__(self) -> Any:
        return self.made if self.made[2] is not None else self.made[:2]


RECONSTRUCT: Any = numpy.zeros(1).__reduce__()[0]
SCALAR: Any = numpy.float64(1).__reduce__()[0]
DOUBLE = ("f8", False, True)


def array(kind: Any, values: Any, shape: Any = (1,)) -> Built:
    return Built(RECONSTRUCT, (numpy.ndarray, (0,), b"b"), (1, shape, kind, False, values))


def dtype(state: Tuple) -> Built:
    return Built(numpy.dtype, DOUBLE, state)


LITTLE = (3, "<", None, None, None, -1, -1, 0)
HOSTILE: Dict[str, Tuple[Callable[[Path], Any], str]] = {
    "objects": (lambda folder: numpy.array([Code(folder)], dtype=object), "type O8: expected numbers"),
    "fields": (
        lambda folder: numpy.array([(1.0, Code(folder))], dtype=[("a", "f8"), ("b", "O")]), "type V16: expected numbers"
    ),
    "text": (lambda folder: numpy.array(["word"]), "type U4: expected numbers"),
    "times": (lambda folder: numpy.array(["2020-01-01"], dtype="M8[D]"), "type M8: expected numbers"),
    "a scalar of objects": (lambda folder: Built(SCALAR, (numpy.dtype("O"), Code(folder))), "type O8: expected num"),
    "code for values": (lambda folder: array(dtype(LITTLE), Code(folder)), "posix.mkdir"),
    "code for a type": (lambda folder: array(Code(folder), b"12345678"), "posix.mkdir"),
    "code in a type": (lambda folder: array(dtype((3, Code(folder), *LITTLE[2:])), b"12345678"), "posix.mkdir"),
    "a list for values": (lambda folder: array(dtype((*LITTLE[:-1], 63)), [1.5]), "values are not numbers"),
    "too few values": (lambda folder: array(dtype(LITTLE), b"12345678", (1000,)), "too small"),
    "a shape below 0": (lambda folder: array(dtype(LITTLE), b"12345678", (-1, -1)), "negative"),
    "another function": (lambda folder: Built(numpy.fromstring, ("1 2", 1, -1, " ")), "GLOBAL numpy.fromstring"),
}  # fmt: skip


@checked
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_but_numbers(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "code-ran"
    value, expected = HOSTILE[name]
    path = saved(tmp_path / "checkpoint.pt", value(folder))
    with pytest.raises((pickle.UnpicklingError, TypeError, ValueError), match=expected):
        torch.load(path)
    assert not folder.exists()


@checked
def test_fields_outside_of_the_memory_are_left_out(tmp_path: Path) -> None:
    """NumPy's own ``numpy.dtype`` would take them from a file."""
    fields = ("a",), {"a": (numpy.dtype("f8"), 4096)}
    path = saved(tmp_path / "checkpoint.pt", array(dtype((3, "<", None, *fields, -1, -1, 0)), b"\0" * 8))
    found = torch.load(path)["best"]
    assert type(found) is NumberArray
    assert found.dtype == numpy.float64
    assert found.tolist() == [0.0]
