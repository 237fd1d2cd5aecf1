"""BLEU of resampled test sets, from each sentence's n-gram counts ([koehn2004])."""

import zlib
from functools import lru_cache
from typing import Dict, List, Tuple

import numpy

SAMPLES = 1000
ORDERS = 4  # BLEU counts n-grams of 1 to 4 words
# counts by translation and reference: counting is slow, and systems translate many sentences alike
_COUNTED: Dict[Tuple[str, str], List[int]] = {}


def sentence_counts(translations: List[str], references: List[str]) -> numpy.ndarray:
    """Return each sentence's counts: lengths of translation and reference, matching n-grams, all n-grams of each order.

    Returns:
        sentences × (2 + 2 * ORDERS).

    Raises:
        ValueError: translations and references differ in number.
    """
    if len(translations) != len(references):
        raise ValueError(f"translations: expected {len(references)}, one per reference; got {len(translations)}")
    pairs = list(zip(translations, references))
    new = list(dict.fromkeys(pair for pair in pairs if pair not in _COUNTED))
    if new:
        from sacrebleu.metrics import BLEU

        from fairseq_flexdepth.corpus import paired_bootstrap  # slow to import

        metric = BLEU(references=[[pair[1] for pair in new]])
        counted = paired_bootstrap.sentence_counts(metric, [pair[0] for pair in new])
        _COUNTED.update(zip(new, counted.tolist()))
    return numpy.asarray([_COUNTED[pair] for pair in pairs], dtype=float)


@lru_cache(maxsize=4)
def resamples(sentences: int, seed: int) -> numpy.ndarray:
    """Return how often each sentence occurs in each sample: SAMPLES × sentences."""
    random = numpy.random.RandomState(seed)
    return random.multinomial(sentences, numpy.full(sentences, 1 / sentences), size=SAMPLES).astype(numpy.float32)


def seed_of(references: List[str]) -> int:
    """Return the seed of a test set's samples: systems with the same references have the same samples."""
    return zlib.crc32("\n".join(references).encode("utf-8"))


def bleu(counts: numpy.ndarray) -> numpy.ndarray:
    """Return BLEU (0 to 100) of every row of summed counts, as sacrebleu computes it with its default smoothing."""
    hypothesis, reference = counts[:, 0], counts[:, 1]
    smoothing = numpy.ones(len(counts))
    logarithm = numpy.zeros(len(counts))
    possible: numpy.ndarray = numpy.ones(len(counts), dtype=bool)
    for order in range(ORDERS):
        correct, total = counts[:, 2 + order], counts[:, 2 + ORDERS + order]
        possible &= total > 0
        smoothing = numpy.where(correct == 0, smoothing * 2, smoothing)
        counted = numpy.where(correct == 0, 1 / smoothing, correct)
        logarithm += numpy.log(counted / numpy.maximum(total, 1)) / ORDERS
    longest = numpy.maximum(hypothesis, 1)
    brevity = numpy.where(hypothesis < reference, numpy.exp(1 - reference / longest), 1.0)
    # sacrebleu's score of a text without any matching word is 0
    return numpy.where(possible & (counts[:, 2] > 0), 100 * brevity * numpy.exp(logarithm), 0.0)
