"""Imports between folders run downwards only, as the table in CONTRIBUTING.md says."""

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fairseq_flexdepth"


def floors() -> Dict[str, List[str]]:
    """The folders that each folder may import, from the table in CONTRIBUTING.md."""
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)/` \| (.+?) \|", table, flags=re.MULTILINE)
    assert rows, "no table of floors"
    return {folder: re.findall(r"`([\w/]+)/`", allowed) for folder, allowed in rows}


def folder_of(parts: Tuple[str, ...]) -> str:
    """The floor that a module or package, named by its *parts* below the package, is on; empty for the top level."""
    return parts[0] if parts and (PACKAGE / parts[0]).is_dir() else ""


def imports() -> Iterator[Tuple[str, str, str]]:
    """Every import within the package: the file, the importing folder, the imported folder."""
    for path in sorted(PACKAGE.rglob("*.py")):
        own = folder_of(path.relative_to(PACKAGE).parts[:-1])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules: List[str] = []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                modules = [f"{node.module}.{name.name}" for name in node.names]
            elif isinstance(node, ast.Import):
                modules = [name.name for name in node.names]
            for module in modules:
                first, *rest = module.split(".")
                if first == "fairseq_flexdepth":
                    yield str(path.relative_to(ROOT)), own, folder_of(tuple(rest))


def test_every_folder_is_in_the_table() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert set(floors()) == found


def test_files_beside_the_folders_import_none_of_them() -> None:
    own = {"fairseq_flexdepth/compat.py", "fairseq_flexdepth/protocols.py"}
    assert [(file, other) for file, _, other in imports() if file in own and other] == []


def test_the_table_has_no_circle() -> None:
    allowed = floors()
    while allowed:
        bottom = {folder for folder, below in allowed.items() if not set(below) & set(allowed) - {folder}}
        assert bottom, f"a circle among {sorted(allowed)}"
        allowed = {folder: below for folder, below in allowed.items() if folder not in bottom}


def test_imports_run_downwards() -> None:
    allowed = floors()
    upward = [
        f"{file}: {own} imports {other}"
        for file, own, other in imports()
        if own and other and own != other and other not in allowed[own]
    ]
    assert upward == []
