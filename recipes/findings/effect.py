"""The effect that a part of a finding compares: its cells, measured with every seed, and their bootstrap."""

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set, Tuple, Union

import numpy

from recipes.common.cells import Measured, Measurements
from recipes.common.significance import read_texts, text_files
from recipes.findings.bootstrap import bleu, resamples, seed_of, sentence_counts
from recipes.findings.finding import Part
from recipes.findings.intervals import Estimate, estimate

# BLEU of the whole test set, then of each sample
Scores = numpy.ndarray
_SCORES: Dict[Tuple[Path, Path], Tuple[Scores, int]] = {}


class Missing(NamedTuple):
    """The reason why an effect could not be computed."""

    reason: str


def measure(part: Part, measurements: Measurements, row: Dict[str, str]) -> Union[Estimate, Missing]:
    """Return the effect of a comparison, from the seeds that all its cells have.

    Args:
        part: the comparison.
        measurements: the measured values.
        row: the values of {NAME} in cells.

    Raises:
        ValueError: a cell is written wrongly.
    """
    seeds = sorted({path.name for path in measurements.work.glob("*/seed*")}) or ["seed1"]
    by_seed = {seed: _effect_of(part, measurements, row, seed) for seed in seeds}
    found = {seed: effect for seed, effect in by_seed.items() if not isinstance(effect, Missing)}
    if not found:
        return next(effect for effect in by_seed.values() if isinstance(effect, Missing))
    effects = numpy.stack([scores for scores, _ in found.values()]) / part.divided_by
    if part.test != "bootstrap":
        return estimate(effects[:, 0].tolist())
    sentences = {number for _, number in found.values()}
    return estimate(effects[:, 0].tolist(), float(numpy.var(effects[:, 1:].mean(axis=0), ddof=1)), min(sentences))


def _effect_of(
    part: Part, measurements: Measurements, row: Dict[str, str], seed: str
) -> Union[Tuple[Scores, int], Missing]:
    """Return the effect with one seed (with "bootstrap" also of every sample), and the number of sentences."""
    total: Scores = numpy.zeros(1)
    sentences: Set[int] = set()
    for sign, cells in ((1, part.more), (-1, part.less)):
        for cell in cells:
            if part.test == "bootstrap":
                scores, number = _resampled(cell, measurements, row, seed)
                sentences.add(number)
            else:
                value = measurements.value(cell, row, seed)
                scores = None if value is None else numpy.array([value])
            if scores is None:
                return Missing(f"`{cell.format(**row, **measurements.values)}` was not measured")
            total = total + sign * scores
    return total, min(sentences, default=0)


def _resampled(cell: str, measurements: Measurements, row: Dict[str, str], seed: str) -> Tuple[Optional[Scores], int]:
    """Return the mean BLEU of a cell's entries, of the test set and of every sample; ``None`` without translations."""
    source = measurements.source(cell, row)
    entries = [] if source is None else source.entries.get(seed, [])
    most = 0 if source is None else max(map(len, source.entries.values()), default=0)
    if len(entries) < most:  # a system or a depth was not measured with this seed
        return None, 0
    found = [_scores(entry) for entry in entries]
    if not found or any(scores is None for scores, _ in found):
        return None, 0
    return numpy.mean([scores for scores, _ in found], axis=0), min(number for _, number in found)


def _scores(measured: Measured) -> Tuple[Optional[Scores], int]:
    files: List[Path] = text_files(measured)
    if not files or not all(file.is_file() for file in files):
        return None, 0
    key = files[0].resolve(), files[1].resolve()
    if key not in _SCORES:
        translations, references = read_texts(measured)
        counts = sentence_counts(translations, references)
        samples = resamples(len(references), seed_of(references))
        _SCORES[key] = numpy.concatenate([bleu(counts.sum(axis=0, keepdims=True)), bleu(samples @ counts)]), len(counts)
    return _SCORES[key]
