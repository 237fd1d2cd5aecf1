"""Three directions of the quickstart's grammar, and fairseq's tasks for several languages."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from tests.integration import cli

GRAMMAR = cli.REPOSITORY / "examples" / "quickstart" / "corpus" / "generate.py"
SIZES = {"train": 90, "valid": 10, "test": 10}


class Task(NamedTuple):
    """A task: its options, those that name the direction to decode (the first one), and its architecture."""

    options: Tuple[Any, ...]
    direction: Tuple[Any, ...]
    arch: str = "tied_multi_transformer"

    @property
    def training(self) -> List[Any]:
        """The options of fairseq-train."""
        own = self.direction if "--langs" in self.options else ()
        return [*self.options, *own, "--arch", self.arch]

    @property
    def decoding(self) -> List[Any]:
        """The options that fairseq-generate needs."""
        return [*self.options, *self.direction]

    @property
    def directions(self) -> List["Task"]:
        """The task with each direction that it trains."""
        if "--lang-pairs" not in self.options:
            return [self]
        pairs = [pair.split("-") for pair in self.options[self.options.index("--lang-pairs") + 1].split(",")]
        return [self._replace(direction=("--source-lang", s, "--target-lang", t)) for s, t in pairs]


_PAIRS = ("--lang-pairs", "de-en,en-de,de-ev")
_DE_EN = ("--source-lang", "de", "--target-lang", "en")
_OTHER_TAGS = {
    "tags instead of end symbols": ("--encoder-langtok", "src", "--decoder-langtok", "--lang-tok-replacing-bos-eos"),
    "its own language before the source": ("--encoder-langtok", "src"),
    "the target language before the source": ("--encoder-langtok", "tgt"),
    "the target language before the target": ("--decoder-langtok",),
}
TASKS: Dict[str, Task] = {
    "one model": Task(
        ("--task", "translation_multi_simple_epoch", *_PAIRS, "--encoder-langtok", "tgt", "--decoder-langtok"), _DE_EN
    ),
    **{
        name: Task(("--task", "translation_multi_simple_epoch", "--lang-pairs", "de-en,en-de", *tags), _DE_EN)
        for name, tags in _OTHER_TAGS.items()
    },
    "model per direction": Task(
        ("--task", "multilingual_translation", *_PAIRS, "--encoder-langtok", "tgt", "--decoder-langtok"), _DE_EN,
        "tied_multi_multilingual_transformer",
    ),
    "mBART": Task(("--task", "translation_from_pretrained_bart", "--langs", "de,en,ev"), _DE_EN),
}  # fmt: skip


def binarised_directions(folder: Path) -> Path:
    """Binarised German and English (de-en), and German with English in other words (de-ev), with one dictionary."""
    for name, more in (("text", ()), ("variants", ("--variants",))):
        sizes = ["--pairs", SIZES["train"], "--valid", SIZES["valid"], "--test", SIZES["test"]]
        words = [sys.executable, str(GRAMMAR), "--output", str(folder / name), *map(str, sizes), *more]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    for split in SIZES:
        (folder / "text" / f"{split}.ev").write_bytes((folder / "variants" / f"{split}.en").read_bytes())
    data = folder / "bin"
    given = [
        f"--{option}={folder / 'text' / split}"
        for option, split in (("trainpref", "train"), ("validpref", "valid"), ("testpref", "test"))
    ]
    cli.run("fairseq-preprocess", "-s", "de", "-t", "en", "--joined-dictionary", "--destdir", data, *given)
    known = data / "dict.de.txt"
    cli.run(
        "fairseq-preprocess", "-s", "de", "-t", "ev", "--srcdict", known, "--tgtdict", known, "--destdir", data, *given
    )
    return data
