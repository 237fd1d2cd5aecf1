"""The hours of a recipe's long decodings (distill and oracle), from the speed that a short run has logged."""

import re
from pathlib import Path
from typing import List, NamedTuple, Optional

from fairseq.data import data_utils

from recipes.common.dry_run import option

_RATE = re.compile(r"([\d.]+)(sentence/s|s/sentence)")  # in a progress bar; its last state has the mean


class Decoding(NamedTuple):
    """A decoding of a whole split."""

    name: str  # the folder of the result in WORK, and of an oracle's labels also the split
    sentences: Optional[int]  # of the split; None if it was not made
    per_second: Optional[float]  # sentences, all processes together; None if it was not measured

    @property
    def hours(self) -> Optional[float]:
        """The hours of the whole split; ``None`` if they are unknown."""
        if self.sentences is None or self.per_second is None:
            return None
        return self.sentences / self.per_second / 3600


def decodings(commands: List[List[str]], work: Path) -> List[Decoding]:
    """Return the decodings of ``distill`` and of ``oracle``, each once, in their order.

    Args:
        commands: the commands of the recipe's dry run in *work*.
        work: the folder of a short run; if it does not exist, nothing is known of the decodings but their names.
    """
    found = {}
    for command in commands:
        if command[:2] == ["fairseq-flexdepth", "distill"]:
            name = option(command, "--dest")[len(f"{work}/") :]
            log, split = work / "logs" / name, "train"
        elif command[:2] == ["fairseq-flexdepth", "oracle"]:
            split = option(command, "--gen-subset")
            log = Path(option(command, "--output"), split)
            name = str(log.relative_to(work))
        else:
            continue
        found[name] = Decoding(name, sentences(Path(command[2]), split), sentences_per_second(log))
    return list(found.values())


def sentences(folder: Path, split: str) -> Optional[int]:
    """Return the number of sentences of a binarised split; ``None`` if it does not exist."""
    for index in sorted(folder.glob(f"{split}.*-*.*.idx")):
        return len(data_utils.load_indexed_dataset(str(index.with_suffix("")), None, dataset_impl="mmap"))
    return None


def sentences_per_second(log: Path) -> Optional[float]:
    """Return the speed of a decoding, the sum over its shards; ``None`` if it was not logged.

    Args:
        log: the path of the step's log without ``.log``; the log of shard N has ``-N.log``.
    """
    shards = sorted(log.parent.glob(f"{log.name}-[0-9]*.log"))
    speeds = []
    for file in shards or [log.with_name(f"{log.name}.log")]:
        rates = _RATE.findall(file.read_text(encoding="utf-8")) if file.is_file() else []
        if not rates or not float(rates[-1][0]):
            return None
        number, unit = rates[-1]
        speeds.append(float(number) if unit == "sentence/s" else 1 / float(number))
    return sum(speeds)
