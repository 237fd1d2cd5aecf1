"""Hand-made labels of depth pairs, as ``fairseq-flexdepth oracle`` writes them, by a rule that a selector can learn."""

import random
from pathlib import Path
from typing import Any, Dict, List

import numpy
import torch
from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder

from fairseq_flexdepth.files.checksums import dictionary_checksum, source_checksum
from fairseq_flexdepth.files.depth_labels import DepthLabels, labels_file
from tests.tiny import dictionary

PAIRS = [(1, 1), (1, 2), (2, 1), (2, 2)]
SECONDS = numpy.array([1.0, 2.0, 1.5, 4.0])
WORDS = 17  # the size of the dictionary
LONGEST = 8
EASY = 4  # a word that half of the sentences hold
EASY_SCORES = [60.0, 40.0, 60.0, 40.0]  # (1, 1) is best, as is (2, 1)
HARD_SCORES = [30.0, 50.0, 40.0, 60.0]  # (2, 2) is best


def sentences(number: int, seed: int) -> List[torch.Tensor]:
    """Random sentences of 2 to LONGEST tokens, each ending in the end symbol."""
    generator, made = random.Random(seed), []
    for _ in range(number):
        words = [generator.randrange(EASY + 1, WORDS) for _ in range(generator.randint(1, LONGEST - 1))]
        if generator.random() < 0.5:
            words[generator.randrange(len(words))] = EASY
        made.append(torch.tensor([*words, 2]))
    return made


def labels_of(source: List[torch.Tensor], seed: int = 5, unlabelled: int = 0) -> DepthLabels:
    """Labels: (1, 1) and (2, 1) are best with EASY in a sentence, (2, 2) without; the first *unlabelled* have none."""
    generator = random.Random(seed)
    rule = [EASY_SCORES if EASY in tokens else HARD_SCORES for tokens in source]
    scores = numpy.array([numpy.array(scores) + generator.randrange(20) for scores in rule])
    scores[:unlabelled] = float("nan")
    record = {"source": source_checksum(source), "dictionary": dictionary_checksum(dictionary(WORDS))}
    return DepthLabels(PAIRS, scores, SECONDS, record)


def write_labels(folder: Path, sizes: Dict[str, int], **changes: Any) -> None:
    """Write a folder of labels, the DATA of ``--task depth_selection``; a split's name is the seed of its sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    dictionary(WORDS).save(str(folder / "dict.src.txt"))
    for split, size in sizes.items():
        source = sentences(size, seed=sum(map(ord, split)))
        builder = MMapIndexedDatasetBuilder(str(folder / f"{split}.src.bin"), dtype=numpy.int32)
        for tokens in source:
            builder.add_item(tokens)
        builder.finalize(str(folder / f"{split}.src.idx"))
        labels_of(source, **changes).save(labels_file(str(folder), split))


def write_checkpoint(path: Path, model: Any, name: str, **options: Any) -> str:
    """Save a model with the entries of a fairseq checkpoint that are read."""
    cfg = {"model": {"_name": name, **options}, "criterion": None}
    state = {"args": None, "cfg": cfg, "model": model.state_dict(), "extra_state": {}}
    history = {"optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}  # fairseq fills in what is missing
    torch.save({**state, "optimizer_history": [history]}, str(path))
    return str(path)
