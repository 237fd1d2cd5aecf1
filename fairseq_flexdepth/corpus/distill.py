"""Sequence-level distillation of one batch: the teacher translates it, a filter chooses each source's targets."""

import math
from typing import List, Sequence

from fairseq.sequence_generator import SequenceGenerator

from fairseq_flexdepth.corpus.hypothesis_filter import (
    NEED_REFERENCES,
    DropRules,
    FilteredSource,
    Target,
    closest,
    keep_all_or_none,
    keep_some,
    renormalised,
    without_duplicates,
)
from fairseq_flexdepth.corpus.scores import sentence_bleu
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.modules.device_copies import lists_of
from fairseq_flexdepth.protocols import Hypotheses, Sample


class Distiller:
    """Translates batches with the teacher and filters the hypotheses of each source [kim2016].

    Args:
        split: the data and the teacher.
        hypothesis_filter: one of ``HYPOTHESIS_FILTERS``.
        drop_rules: the pairs that are dropped.

    Raises:
        ValueError: fairseq refuses the options, or the data has no references and the hypothesis filter needs them.
    """

    def __init__(self, split: Split, hypothesis_filter: str, drop_rules: DropRules) -> None:
        if hypothesis_filter in NEED_REFERENCES:
            split.require_references(f"--select {hypothesis_filter}")
        self.split = split
        self.hypothesis_filter = hypothesis_filter
        self.drop_rules = drop_rules
        self.generator = split.build_generator()
        if not isinstance(self.generator, SequenceGenerator):
            raise ValueError(f"the task uses {type(self.generator).__name__}; expected beam search or sampling")
        if hypothesis_filter == "sentence-bleu":
            self.bleu = sentence_bleu(split.bleu_tokenizer)

    def distill(self, number: int, batch: Sequence[int]) -> List[FilteredSource]:
        """Translate and filter one batch.

        Args:
            number: the batch's number, which seeds sampling.
            batch: its sentence numbers.
        """
        self.split.seed_batch(number)
        sample = self.split.sample(batch)
        results = self.split.search(self.generator, sample)
        if self.hypothesis_filter in ("best", "mixture"):
            results = [hypotheses[:1] for hypotheses in results]
        found = self._targets(results, self._length_limit(sample))
        return [self._filter(index, targets) for index, targets in zip(sample["id"].tolist(), found)]

    def _length_limit(self, sample: Sample) -> float:
        """The tokens after which beam search must write the end symbol, computed as in fairseq's generator."""
        generator = self.generator
        if generator.match_source_len:
            return math.inf
        width = sample["net_input"]["src_tokens"].size(1)
        return min(int(generator.max_len_a * width + generator.max_len_b), generator.max_len - 1)

    def _targets(self, results: Sequence[Hypotheses], limit: float) -> List[List[Target]]:
        """The hypotheses of each sentence as targets; copied from the device all at once."""
        every = [hypothesis for hypotheses in results for hypothesis in hypotheses]
        tokens = lists_of([hypothesis["tokens"] for hypothesis in every])
        scores: Sequence[Sequence[float]] = [()] * len(every)
        if self.hypothesis_filter == "all":
            scores = lists_of([hypothesis["positional_scores"] for hypothesis in every])
        tokens_of = self.split.target_tokens
        targets = iter([Target(tokens_of(t), math.fsum(s), len(t) > limit) for t, s in zip(tokens, scores)])
        return [[next(targets) for _ in hypotheses] for hypotheses in results]

    def _filter(self, index: int, hypotheses: List[Target]) -> FilteredSource:
        if not hypotheses:
            return FilteredSource(index, "empty", [], [])
        source_length = len(self.split.source_tokens(index)) - 1  # without the end symbol
        targets = self._filtered(index, hypotheses)
        reasons = [self.drop_rules.reason(source_length, target) for target in targets]
        if self.hypothesis_filter == "mixture":
            targets.insert(0, Target(self.split.target_tokens(self.split.pairs.tgt[index].tolist())))
            # --drop-unknown drops hypotheses of the teacher, never references.
            reasons.insert(0, self.drop_rules._replace(unknown=None).reason(source_length, targets[0]))
        weighted = self.hypothesis_filter == "all"
        kept = (keep_some if weighted else keep_all_or_none)(targets, reasons)
        if not kept:
            return FilteredSource(index, next(filter(None, reasons)), [], [])
        weights = renormalised([target.log_probability for target in kept]) if weighted else []
        return FilteredSource(index, None, [target.tokens for target in kept], weights)

    def _filtered(self, index: int, hypotheses: List[Target]) -> List[Target]:
        """The hypotheses of source number *index* that the hypothesis filter keeps."""
        if self.hypothesis_filter == "all":
            return without_duplicates(hypotheses)
        if self.hypothesis_filter != "sentence-bleu":
            return hypotheses[:1]
        reference = self.split.reference_text(index)
        strip = self.generator.symbols_to_strip_from_output
        texts = [self.split.target_text(target.tokens, strip) for target in hypotheses]
        return [hypotheses[closest(texts, lambda text: self.bleu(text, reference))]]
