"""Measured systems, as recipes write them."""

import json
import random
from pathlib import Path
from typing import Any, List, Sequence

from recipes.findings.bootstrap import bleu, sentence_counts


def save(path: Path, content: Any) -> None:
    """Write text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def random_lines(number: int = 300) -> List[str]:
    """Return lines of 3 to 14 words."""
    draw = random.Random(0)
    return [" ".join(draw.choice("abcdefghij") * 2 for _ in range(draw.randint(3, 14))) for _ in range(number)]


def garbled(lines: List[str], share: float, seed: int) -> List[str]:
    """Return the lines with a share of their words replaced."""
    draw = random.Random(seed)
    return [" ".join(word if draw.random() > share else "x" for word in line.split()) for line in lines]


def scored(work: Path, references: List[str], system: str, share: float, seeds: Sequence[int] = (1, 2, 3)) -> None:
    """Write what `evaluate` writes for a system that garbles a share of the words."""
    for seed in seeds:
        folder = work / system / f"seed{seed}"
        translations = garbled(references, share, 100 * seed + len(system))
        whole = bleu(sentence_counts(translations, references).sum(axis=0, keepdims=True))[0]
        entry = {"enc_layers": 3, "dec_layers": 3, "bleu": round(float(whole), 2), "translations": "e3d3.txt"}
        entry["path"] = f"{work}/{system}/seed{seed}/checkpoint_last.pt"
        save(folder / "test/sweep.json", [entry])
        save(folder / "test/e3d3.txt", "".join(f"{line}\n" for line in translations))
        save(folder / "test/reference.txt", "".join(f"{line}\n" for line in references))
