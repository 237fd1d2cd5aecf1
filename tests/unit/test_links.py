"""Relative links in the Markdown files: every one leads to a file of the repository, and every anchor to a heading."""

import re
from functools import lru_cache
from pathlib import Path
from typing import FrozenSet, Iterator, List

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "recipes", "tests", "fairseq_flexdepth", "constraints")
GENERATED = {"work", "__pycache__"}  # folders that scripts write to
LINK = re.compile(r"!?\[(?:[^][]|\[[^][]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[[^]]+\]:\s+(\S+)", flags=re.MULTILINE)
HTML = re.compile(r"<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"")
FENCE = re.compile(r"^(```|~~~).*?^\1", flags=re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:|//", flags=re.IGNORECASE)


def markdown_files() -> List[Path]:
    """The Markdown files of the repository's own folders, without those that scripts generate."""
    found = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
    return sorted(path for path in found if not GENERATED & set(path.relative_to(ROOT).parts))


def links(text: str) -> Iterator[str]:
    """The targets of all links and images in a Markdown text that are not code."""
    prose = CODE.sub("", FENCE.sub("", text))
    for pattern in (LINK, REFERENCE, HTML):
        yield from pattern.findall(prose)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading: lowercase, without markup and punctuation, with hyphens for spaces."""
    plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", heading)  # a link's words
    plain = re.sub(r"<[^>]+>", "", plain.replace("`", ""))
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


@lru_cache(maxsize=None)
def anchors(path: Path) -> FrozenSet[str]:
    """The anchors of a Markdown file: its headings', numbered where they repeat, and those written in HTML."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    found = set(re.findall(r"<[^>]*\b(?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, flags=re.MULTILINE):
        name, number = anchor(heading), 0
        while (f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(f"{name}-{number}" if number else name)
    return frozenset(found)


def broken_links(path: Path, root: Path = ROOT) -> Iterator[str]:
    """The relative links of a Markdown file that lead nowhere in the repository at *root*, with the reason."""
    for link in links(path.read_text(encoding="utf-8")):
        if EXTERNAL.match(link):
            continue
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            yield f"{link}: no such file"
        elif root not in (target, *target.parents):
            yield f"{link}: outside of the repository"
        elif fragment and target.suffix == ".md" and fragment not in anchors(target):
            yield f"{link}: {target.name} has no such heading, but {', '.join(sorted(anchors(target)))}"


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_and_anchors_exist(path):
    assert list(broken_links(path)) == []


def test_broken_links_are_found(tmp_path):
    headings = "# The `sweep` of [depths](x.md), twice\n## Same\n## Same\n```\n# No heading\n```\n"
    (tmp_path / "other.md").write_text(headings)
    page = tmp_path / "page.md"
    page.write_text(
        "[file](absent.md) [page](https://example.org/x)\n"
        "[good](other.md#the-sweep-of-depths-twice) [again](other.md#same-1)\n"
        '[bad](other.md#no-heading) `[code](absent2.md)` <img src="absent.png" alt="x"> ![[dabre2020]](absent3.svg)\n'
        "```\n[fenced](absent4.md)\n```\n[here](#nowhere)\n[label]: absent5.md\n"
    )
    assert [problem.split(":")[0] for problem in broken_links(page, tmp_path)] == [
        "absent.md", "other.md#no-heading", "absent3.svg", "#nowhere", "absent5.md", "absent.png",
    ]  # fmt: skip
