"""Self-speculative decoding: the first layers of a model draft words, its deepest exit checks them.

The published relatives are LayerSkip ([elhoushi2024]) and FREE's synchronised parallel decoding ([bae2023] §4.2). The
translations are those of fairseq's greedy search, word by word.
"""

import time
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy
import torch
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor

from fairseq_flexdepth.decoding.draft_choice import DEFAULT_WORDS, NO_DRAFTS, DraftChoice, FixedDraft, Setting
from fairseq_flexdepth.decoding.draft_vocabulary import DEFAULT_SIZE, DraftVocabulary
from fairseq_flexdepth.decoding.drafting_report import DraftingReport
from fairseq_flexdepth.decoding.greedy_loop import Draft, GreedyLoop, Translation, TurnCounts
from fairseq_flexdepth.decoding.greedy_options import AUTO, GreedyOptions, drafting_depths, drafting_layers
from fairseq_flexdepth.decoding.greedy_rule import GreedyRule
from fairseq_flexdepth.modules.device_copies import on_device_of
from fairseq_flexdepth.protocols import Hypotheses, Sample

_MANY = 30  # batches: of fewer, none is decoded twice to compare the times


class Drafting:
    """How a model drafts, and what came of it.

    Args:
        options: the options of greedy search.
        model: the model, at the depth that checks the drafts.

    Raises:
        ValueError: the depth of the drafts does not fit the depth that checks them.
    """

    def __init__(self, options: GreedyOptions, model: Any) -> None:
        self.model = model
        self.report = DraftingReport()
        self.batches = 0  # that are to be decoded, as far as is known
        self._compared = 0  # of these, decoded by fairseq's search, too, to compare the times
        self.choice: Union[FixedDraft, DraftChoice] = FixedDraft(NO_DRAFTS)
        self.setting = NO_DRAFTS  # of the last batch
        if options.layers == AUTO:
            depths = drafting_depths(model)
            self.choice = DraftChoice(depths[: max(1, len(model.decoder.layers.active) // 2)], options.words)
        elif options.layers is not None:
            drafting_layers(model, int(options.layers))
            self.choice = FixedDraft(Setting(int(options.layers), options.words or DEFAULT_WORDS))
        if options.layers is not None:
            dictionary = model.decoder.dictionary
            size = options.vocabulary or min(DEFAULT_SIZE, len(dictionary))
            self._vocabulary = DraftVocabulary(model.decoder, dictionary, size)

    def compares(self) -> bool:
        """Whether to decode the present batch by fairseq's search, too: not the first one, which is slow.

        It is one in 50 of many batches, but at least 3.
        """
        share = 0 if self.batches < _MANY else max(3, self.batches // 50)
        if self._compared >= share or self.report.counts.words == 0 or not self.choice.settled:
            return False
        self._compared += 1
        return True

    def next_draft(self) -> Optional[Draft]:
        """How to draft for the next batch; ``None``: not at all."""
        self.setting = self.choice.next()
        if self.setting == NO_DRAFTS:
            return None
        return Draft(drafting_layers(self.model, self.setting.depth), self.setting.words, self._vocabulary)


class SelfSpeculativeGenerator(SequenceGenerator):
    """fairseq's greedy search in fewer passes through the deep layers, with the interface of fairseq's generator.

    A batch in which a near tie occurs is decoded by fairseq's own search: see ``near_ties.py``. The hypotheses have no
    attention, which nothing but ``--print-alignment`` reads.

    Args:
        models: one model.
        tgt_dict: the target dictionary.
        drafting: how to draft.
        options: as for fairseq's ``SequenceGenerator``.
    """

    def __init__(self, models: Sequence[Any], tgt_dict: Any, drafting: Drafting, **options: Any) -> None:
        super().__init__(models, tgt_dict, **options)
        self.drafting = drafting

    def _generate(
        self,
        sample: Sample,
        prefix_tokens: Optional[Tensor] = None,
        constraints: Optional[Tensor] = None,
        bos_token: Optional[int] = None,
    ) -> List[Hypotheses]:
        """Translate a batch; overrides fairseq's search, which ``generate`` and ``forward`` call."""
        drafting, report = self.drafting, self.drafting.report
        source = sample["net_input"]["src_tokens"]
        max_len = min(int(self.max_len_a * source.size(1) + self.max_len_b), self.max_len - 1)
        again = {"prefix_tokens": prefix_tokens, "constraints": constraints, "bos_token": bos_token}
        if constraints is not None or self.min_len > max_len:
            return super()._generate(sample, **again)  # raises fairseq's error
        report.sentences += len(source)
        compares, counts, start = drafting.compares(), TurnCounts(), time.perf_counter()
        found = self._search(sample, max_len, prefix_tokens, bos_token, counts)
        seconds = time.perf_counter() - start
        if found is None:
            report.again += len(source)
            return super()._generate(sample, **again)
        report.counts += counts
        drafting.choice.record(drafting.setting, counts.words, seconds)
        if compares:
            start = time.perf_counter()
            super()._generate(sample, **again)
            report.compare(len(source), seconds, time.perf_counter() - start)
        return self._hypotheses(found, source)

    def _search(
        self, sample: Sample, max_len: int, prefix: Optional[Tensor], bos_token: Optional[int], counts: TurnCounts
    ) -> Optional[List[Translation]]:
        """The translations, and in *counts* what they took; ``None`` if a near tie occurred."""
        rule = GreedyRule(
            self.pad, self.unk, self.eos, self.min_len, max_len, self.unk_penalty, self.temperature, prefix
        )
        draft = self.drafting.next_draft()
        start = self.eos if bos_token is None else bos_token
        decoder = self.model.single_model.decoder
        loop = GreedyLoop(decoder, list(decoder.layers), rule, max_len, start, self.eos, draft)
        encoder_out: Dict[str, List[Tensor]] = self.model.forward_encoder(sample["net_input"])[0]
        return loop.search(encoder_out, len(sample["net_input"]["src_tokens"]), counts)

    def _hypotheses(self, translations: Sequence[Translation], like: Tensor) -> List[Hypotheses]:
        """fairseq's form of *translations*, on the device of *like*."""
        longest = max(len(words) for words, _ in translations)
        tokens: numpy.ndarray = numpy.zeros((len(translations), longest), dtype=numpy.int64)
        # The scores of the words; in the last column, those of the sentences.
        of_words: numpy.ndarray = numpy.zeros((len(translations), longest + 1), dtype=numpy.float32)
        for row, (words, scores) in enumerate(translations):
            # fairseq sums in single precision and takes the differences.
            sums = numpy.cumsum(numpy.asarray(scores, dtype=numpy.float32), dtype=numpy.float32)
            tokens[row, : len(words)] = words
            of_words[row, : len(words)] = numpy.diff(sums, prepend=numpy.float32(0))
            of_words[row, -1] = sums[-1] / (len(words) ** self.len_penalty if self.normalize_scores else 1)
        tokens_there, scores_there = on_device_of(like, tokens, torch.long), on_device_of(like, of_words)
        nothing = torch.empty(0)
        return [
            [
                {
                    "tokens": tokens_there[row, : len(words)],
                    "score": scores_there[row, -1],
                    "attention": nothing,
                    "alignment": nothing,
                    "positional_scores": scores_there[row, : len(words)],
                }
            ]
            for row, (words, _) in enumerate(translations)
        ]
