"""``depth/`` holds pure ideas: it imports the standard library and itself, neither torch nor fairseq."""

import ast
import importlib.util
import sysconfig
from pathlib import Path

import pytest

import fairseq_flexdepth.depth

FOLDER = Path(fairseq_flexdepth.depth.__file__).parent
STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def imported(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module


def is_standard(module):
    spec = importlib.util.find_spec(module.split(".")[0])
    origin = Path(spec.origin if spec and spec.origin else "missing")
    if str(origin) in ("built-in", "frozen"):
        return True
    return STANDARD_LIBRARY in origin.parents and "site-packages" not in origin.parts


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.py")), ids=lambda file: file.name)
def test_only_the_standard_library_is_imported(file):
    for module in imported(file.read_text(encoding="utf-8")):
        assert module.startswith("fairseq_flexdepth.depth.") or is_standard(module), module


def test_the_check_sees_what_is_not_pure():
    assert list(imported("import os, torch.nn\ndef f():\n    from fairseq import utils")) == [
        "os",
        "torch.nn",
        "fairseq",
    ]
    assert is_standard("random")
    assert not is_standard("torch.nn")
