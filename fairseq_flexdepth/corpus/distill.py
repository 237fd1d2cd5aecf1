"""A teacher translates a batch, and every source gets its targets or a reason why it has none."""

import math
from typing import List, Sequence

from fairseq.sequence_generator import SequenceGenerator

from fairseq_flexdepth.corpus.hypothesis_filter import (
    NEED_REFERENCES,
    Filters,
    Outcome,
    Target,
    closest,
    keep_all_or_none,
    keep_some,
    renormalised,
    sentence_bleu,
    without_duplicates,
)
from fairseq_flexdepth.corpus.split import Hypotheses, Sample, Split
from fairseq_flexdepth.modules.device_copies import lists_of


class Distiller:
    """Lets the teacher translate a batch and decides what becomes of each source.

    Args:
        split: the data and the teacher.
        selection: one of ``SELECTIONS``.
        filters: which pairs are dropped.

    Raises:
        ValueError: fairseq refuses the options, or the data lacks the references that *selection* needs.
    """

    def __init__(self, split: Split, selection: str, filters: Filters) -> None:
        if selection in NEED_REFERENCES:
            split.require_references(f"--select {selection}")
        self.split = split
        self.selection = selection
        self.filters = filters
        self.generator = split.build_generator()
        if not isinstance(self.generator, SequenceGenerator):
            raise ValueError(f"the task uses {type(self.generator).__name__}; expected beam search or sampling")
        if selection == "sentence-bleu":
            self.bleu = sentence_bleu(split.bleu_tokenizer)

    def distill(self, number: int, batch: Sequence[int]) -> List[Outcome]:
        """Translate batch *number*."""
        self.split.seed_batch(number)
        sample = self.split.sample(batch)
        results = self.split.search(self.generator, sample)
        if self.selection in ("best", "mixture"):
            results = [hypotheses[:1] for hypotheses in results]
        found = self._targets(results, self._length_limit(sample))
        return [self._outcome(index, targets) for index, targets in zip(sample["id"].tolist(), found)]

    def _length_limit(self, sample: Sample) -> float:
        """The number of tokens after which beam search can only end, as fairseq's generator computes it."""
        generator = self.generator
        if generator.match_source_len:
            return math.inf
        width = sample["net_input"]["src_tokens"].size(1)
        return min(int(generator.max_len_a * width + generator.max_len_b), generator.max_len - 1)

    def _targets(self, results: Sequence[Hypotheses], limit: float) -> List[List[Target]]:
        every = [hypothesis for hypotheses in results for hypothesis in hypotheses]
        tokens = lists_of([hypothesis["tokens"] for hypothesis in every])
        scores: Sequence[Sequence[float]] = [()] * len(every)
        if self.selection == "all":
            scores = lists_of([hypothesis["positional_scores"] for hypothesis in every])
        targets = iter([Target(t, math.fsum(s), len(t) > limit) for t, s in zip(tokens, scores)])
        return [[next(targets) for _ in hypotheses] for hypotheses in results]

    def _outcome(self, index: int, hypotheses: List[Target]) -> Outcome:
        if not hypotheses:
            return Outcome(index, "empty", [], [])
        source_length = int(self.split.dataset.src_sizes[index]) - 1
        targets = self._selected(index, hypotheses)
        reasons = [self.filters.reason(source_length, target) for target in targets]
        if self.selection == "mixture":
            targets.insert(0, Target(self.split.dataset.tgt[index].tolist()))
            # An unknown word is held against the teacher alone.
            reasons.insert(0, self.filters._replace(unknown=None).reason(source_length, targets[0]))
        kept = (keep_some if self.selection == "all" else keep_all_or_none)(targets, reasons)
        if not kept:
            return Outcome(index, next(filter(None, reasons)), [], [])
        weights = renormalised([target.log_probability for target in kept]) if self.selection == "all" else []
        return Outcome(index, None, [target.tokens for target in kept], weights)

    def _selected(self, index: int, hypotheses: List[Target]) -> List[Target]:
        if self.selection == "all":
            return without_duplicates(hypotheses)
        if self.selection != "sentence-bleu":
            return hypotheses[:1]
        reference = self.split.reference_text(index)
        strip = self.generator.symbols_to_strip_from_output
        texts = [self.split.target_text(target.tokens, strip) for target in hypotheses]
        return [hypotheses[closest(texts, lambda text: self.bleu(text, reference))]]
