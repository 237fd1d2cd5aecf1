"""sacrebleu's paired bootstrap ([koehn2004]) for many systems: intervals of scores, and p of their differences.

The values are those of ``sacrebleu --paired-bs``, which counts the n-grams of the baseline and adds up its sentences
anew for each system. Here each system's n-grams are counted once, and one matrix product adds up the sentences of all
systems.
"""

from typing import Any, List, NamedTuple, Optional, Sequence

SAMPLES, SEED, LEVEL = 1000, 12345, 0.05  # sacrebleu's defaults
_TOGETHER = 100  # samples whose sentences are drawn together: 1,000 samples of a large corpus would fill the memory

Metric = Any  # sacrebleu's BLEU or CHRF, or WordErrorRate, with references
Counts = Any  # an integer array, sentences × counts: what sacrebleu computes a score from, for each sentence


class Estimate(NamedTuple):
    """A system's score, what the samples say about it, and the test of its difference to the baseline."""

    score: float  # of the whole corpus
    mean: float  # of the samples' scores
    interval: float  # half the width of the 95 % interval: the score lies in mean ± interval
    p_value: Optional[float]  # of the difference; None for the baseline


def sentence_counts(metric: Metric, translations: Sequence[str]) -> Counts:
    """Count the n-grams or edits of each translation; the counts of several sentences add up to those of a corpus."""
    import numpy as np  # in functions: the command line imports this module, and starts fast

    return np.array(metric._extract_corpus_statistics(translations, None), dtype=np.int64)


def score_of_counts(metric: Metric, counts: Counts) -> float:
    """The corpus score of sentences; for one sentence, 1 × counts, its sentence score."""
    return float(metric._compute_score_from_stats(counts.sum(0).tolist()).score)


def paired_bootstrap(metric: Metric, systems: Sequence[Counts], baseline: int) -> List[Estimate]:
    """Estimate the score of each system, and compare it with the baseline's.

    All p-values are those of ``sacrebleu --paired-bs``, except where a system and the baseline have the same score: it
    is 1 then. sacrebleu's is 1 / (SAMPLES + 1) if the two also have the same score in every sample, as equal
    translations have, or two of score 0.

    Args:
        metric: computes scores from counts.
        systems: the counts of each system, for the same sentences.
        baseline: position of the system to compare others with.
    """
    import numpy as np
    from sacrebleu.significance import _compute_p_value, estimate_ci

    scores = [score_of_counts(metric, counts) for counts in systems]
    # sacrebleu computes in float32; in other precision the last digits would differ from its own
    sampled = [
        np.array([metric._compute_score_from_stats(sample).score for sample in sums.astype(np.float32)])
        for sums in _sampled_sums(systems)
    ]
    estimates = []
    for position, (score, of_samples) in enumerate(zip(scores, sampled)):
        p_value: Optional[float] = None
        if position != baseline:
            differences = np.abs(of_samples - sampled[baseline])
            difference = abs(score - scores[baseline])
            p_value = _compute_p_value(differences - differences.mean(), difference) if difference else 1.0
        mean, interval = estimate_ci(of_samples)
        estimates.append(Estimate(score, float(mean), float(interval), p_value))
    return estimates


def _sampled_sums(systems: Sequence[Counts]) -> List[Any]:
    """The counts of each system in each sample, samples × counts; the samples are those that sacrebleu draws."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    sentences = len(systems[0])
    joined = np.concatenate(systems, axis=1).astype(np.float64)  # integers below 2^53: sums are exact
    sums = []
    for _ in range(SAMPLES // _TOGETHER):
        drawn = generator.choice(sentences, size=(_TOGETHER, sentences), replace=True)
        times = np.array([np.bincount(sample, minlength=sentences) for sample in drawn], dtype=np.float64)
        sums.append(times @ joined)
    widths = [counts.shape[1] for counts in systems]
    return np.split(np.concatenate(sums), np.cumsum(widths)[:-1], axis=1)
