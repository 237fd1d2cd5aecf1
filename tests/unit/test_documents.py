"""The documents: every command in them is one that its program takes, and every name in them exists."""

import argparse
import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, NamedTuple

import pytest
from fairseq.dataclass.configs import FairseqConfig
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_DATACLASS_REGISTRY, TASK_REGISTRY
from omegaconf import OmegaConf

import fairseq_flexdepth
from fairseq_flexdepth.cli import main as cli
from fairseq_flexdepth.cli.fairseq_options import import_plugin
from fairseq_flexdepth.decoding.hub import FlexDepthHubInterface
from tests.command_lines import PARSERS, ROOT, check_command, shell_commands

WORDS = 1350  # of README.md, at most
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
KEY = re.compile(r"\[([a-z]+\d{4})\]")
DATA = ("DATA", "data-bin")  # how commands name a data set; they name checkpoints by files that end in .pt
RUN = ("depths", "sharing")  # sub-commands that need no files and take no time
# options of other programs: make, pip, pytest, bash, sacrebleu
FOREIGN = frozenset(("--help", "--dist", "--paired-bs"))


class Block(NamedTuple):
    """A fenced block of a document: its first line's number, its language (empty for shell commands) and its text."""

    line: int
    language: str
    text: str


def blocks(page: str) -> List[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start()) + 1, match[1], match[2])
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    ]


def blocks_of(language: str) -> List[object]:
    """All blocks in a language, as parameters of a test."""
    return [
        pytest.param(block, id=f"{page}:{block.line}")
        for page in PAGES
        for block in blocks(page)
        if block.language == language
    ]


@pytest.fixture(autouse=True)
def _plugin() -> None:
    import_plugin()


@pytest.fixture
def placeholders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with the data sets that documents name, empty; ``check_command`` adds their checkpoints."""
    monkeypatch.chdir(tmp_path)
    for name in DATA:
        (tmp_path / name).mkdir()
    yield tmp_path


@pytest.mark.parametrize("block", blocks_of(""))
def test_commands(block: Block, placeholders: Path) -> None:
    commands = list(shell_commands(block.text))
    assert commands
    for command in commands:
        check_command(command, placeholders)


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.NAME)
def test_examples_of_help(command: cli.Command, placeholders: Path, capsys: pytest.CaptureFixture) -> None:
    for example in command.EXAMPLES:
        ((program, *arguments),) = shell_commands(example)
        assert (program, arguments[0]) == ("fairseq-flexdepth", command.NAME)
        check_command([program, *arguments], placeholders)
        if command.NAME in RUN:
            assert cli.main(arguments) == 0
            assert capsys.readouterr().out


def test_mistakes_in_commands_are_found(placeholders: Path) -> None:
    for line, reason in (
        ("fairseq-flexdepth depths --layers 12 --strategies head", "unrecognized arguments: --strategies"),
        ("fairseq-flexdepth sweep DATA --path ckpt.pt --output x --replace-unk", "--replace-unk"),
        ("FOO=1 fairseq-train DATA --arch tied_multi_transformer --encoder-depth all", "unrecognized arguments"),
        ("fairseq-generate DATA --path ckpt.pt \\\n  --enc-layers many", "--enc-layers"),
        ("fairseq-validate DATA --path ckpt.pt --task translation", "--max-tokens or --batch-size: required"),
        ("make everything && make test", "no such everything"),
        ("for i in 1 2; do\n  recipes/tied_multi/table99.sh  # none\ndone", "no such recipes/tied_multi/table99.sh"),
        ("python -m recipes.common.costs", "no such"),
        ("fairseq-sweep DATA", "no such fairseq-sweep"),
    ):
        with pytest.raises(ValueError, match=re.escape(reason)):
            for command in shell_commands(line):
                check_command(command, placeholders)


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_a_page_starts_with_a_command(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.match(r"# .+\n\n```\n", text) or page == "docs/references.md"


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CONTRIBUTING.md"])
def test_outputs_are_those_of_the_command_before(page: str, capsys: pytest.CaptureFixture) -> None:
    before = None
    for block in blocks(page):
        if block.language == "text":
            assert before is not None
            ((program, *arguments),) = shell_commands(before.text)
            assert (program, arguments[0] in RUN, cli.main(arguments)) == ("fairseq-flexdepth", True, 0)
            assert capsys.readouterr().out == block.text
        before = block


@pytest.mark.parametrize("block", blocks_of("python"))
def test_python(block: Block) -> None:
    known = {"fairseq_flexdepth": fairseq_flexdepth, "model": FlexDepthHubInterface}
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert hasattr(known[node.value.id], node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
            names = {keyword.arg for keyword in node.keywords} - {"path", "data"}
            assert {f"--{str(name).replace('_', '-')}" for name in names} <= known_options()


def _field_names(config: type) -> FrozenSet[str]:
    return frozenset(field.name for field in fields(config))


@pytest.mark.parametrize("block", blocks_of("yaml"))
def test_yaml(block: Block) -> None:
    groups: Dict[str, Dict[str, type]] = {"task": TASK_DATACLASS_REGISTRY, "model": MODEL_DATACLASS_REGISTRY}
    groups.update({name: registry["dataclass_registry"] for name, registry in REGISTRIES.items()})
    for name, given in OmegaConf.to_container(OmegaConf.create(block.text)).items():
        chosen = given.pop("_name", None)
        config = groups[name][chosen] if chosen else FairseqConfig.__dataclass_fields__[name].type
        assert set(given) <= _field_names(config), name


def known_options() -> FrozenSet[str]:
    """The options of every program, architecture, criterion, task and so on that is registered."""
    parsers = [*(make() for make in PARSERS.values()), *_sub_parsers()]
    legacy = argparse.ArgumentParser(conflict_handler="resolve")
    for adds in (*MODEL_REGISTRY.values(), *TASK_REGISTRY.values()):
        if hasattr(adds, "add_args"):
            adds.add_args(legacy)
    names = {option for parser in (*parsers, legacy) for action in parser._actions for option in action.option_strings}
    configs: List[type] = [*MODEL_DATACLASS_REGISTRY.values(), *TASK_DATACLASS_REGISTRY.values()]
    configs += [config for registry in REGISTRIES.values() for config in registry["dataclass_registry"].values()]
    for config in filter(None, configs):
        names.update(f"--{name.replace('_', '-')}" for name in _field_names(config))
    return frozenset(names)


def _sub_parsers() -> Iterator[argparse.ArgumentParser]:
    for action in cli.build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def test_options_in_the_text_exist() -> None:
    known = known_options() | FOREIGN
    unknown = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`([^`\n]+)`", text):
            unknown += [f"{page}: {name}" for name in re.findall(r"(?<![\w-])--[a-z][\w-]+", code) if name not in known]
    assert unknown == []


def test_files_in_the_text_exist() -> None:
    missing = []
    for page in PAGES:
        for name in re.findall(r"`([\w/]+/[\w/]+\.(?:py|md|sh|txt))`", (ROOT / page).read_text(encoding="utf-8")):
            if not (ROOT / name).exists() and not (ROOT / "fairseq_flexdepth" / name).exists():
                missing.append(f"{page}: {name}")
    assert missing == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= WORDS


def test_readme_lists_every_sub_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| `fairseq-flexdepth` sub-command |") :]
    codes = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`.+?`) \|", table, flags=re.MULTILINE)))
    assert {code.split()[0] for code in codes} == {command.NAME for command in cli.COMMANDS}


def test_the_citation_has_the_version_and_the_five_papers() -> None:
    citation = OmegaConf.to_container(OmegaConf.load(str(ROOT / "CITATION.cff")))
    assert citation["version"] == fairseq_flexdepth.__version__
    text = (ROOT / "docs/references.md").read_text(encoding="utf-8")
    papers = text[text.index("## The five papers") : text.index("## What they build on")]
    rows = [row for row in papers.splitlines() if KEY.search(row)]
    assert len(rows) == len(citation["references"])
    for row, paper in zip(rows, citation["references"]):
        assert f"{paper['year']}. *{paper['title']}.*" in row
        assert paper["url"] in row
        assert paper["identifiers"][0]["value"] in row
        assert all(f"{author['given-names']} {author['family-names']}" in row for author in paper["authors"])


def test_cited_papers_are_in_the_references() -> None:
    listed = KEY.findall((ROOT / "docs/references.md").read_text(encoding="utf-8"))
    resolved = set(listed)
    cited = {
        f"{path.relative_to(ROOT)}: {key}"
        for folder in ("fairseq_flexdepth", "docs", "recipes", "examples", "tests")
        for kind in ("*.py", "*.md", "*.sh")
        for path in (ROOT / folder).rglob(kind)
        for key in KEY.findall(path.read_text(encoding="utf-8"))
        if key not in resolved
    }
    assert cited == set()
