"""The loop of greedy search, with or without drafts: draft, check, keep ([elhoushi2024] §4.3, [bae2023] §4.2).

One turn of the loop, for all rows of the batch: the first *m* layers draft *k* words, one after another; the other
layers take the states that these have left, of all *k* + 1 words at once, and give the deepest exit's choice after
each of them. Each row keeps the drafted words that the deepest exit would have chosen, and its choice after the last
of them. Without drafts, a turn is a step of plain greedy search.
"""

from dataclasses import astuple, dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from fairseq_flexdepth.decoding.decoder_pass import DecoderPass
from fairseq_flexdepth.decoding.draft_vocabulary import DraftVocabulary
from fairseq_flexdepth.decoding.greedy_rule import FREE, GreedyRule, Window
from fairseq_flexdepth.decoding.near_ties import NearTies
from fairseq_flexdepth.decoding.row_caches import RowCaches
from fairseq_flexdepth.modules.device_copies import on_device_of


class Draft(NamedTuple):
    """How to draft."""

    layers: int  # the first layers of the decoder, which draft
    words: int  # drafted per turn
    vocabulary: DraftVocabulary


@dataclass
class TurnCounts:
    """Counts of turns and words, each for one row."""

    checks: int = 0  # of the drafts of a row
    drafted: int = 0  # words that were checked
    accepted: int = 0  # of these
    given: int = 0  # words that the checks gave: the accepted ones, and those in place of the first wrong ones
    words: int = 0  # in translations, end symbols included

    @property
    def words_per_check(self) -> float:
        """The words that a check gave on average."""
        return self.given / self.checks

    def __add__(self, other: "TurnCounts") -> "TurnCounts":
        return TurnCounts(*(one + more for one, more in zip(astuple(self), astuple(other))))


@dataclass
class _Row:
    """A sentence that is being translated."""

    sentence: int  # its number in the batch
    words: List[int]
    scores: List[float]  # the log-probability of each word
    total: float = 0.0  # their sum


# Of a sentence: its words and their log-probabilities.
Translation = Tuple[List[int], List[float]]


class GreedyLoop:
    """Greedy search for one batch.

    Args:
        decoder: fairseq's Transformer decoder.
        layers: the layers that it runs, in running order.
        rule: the choice of each next word.
        max_len: the last step, counted from 0.
        start: the number of the symbol that the decoder starts with.
        eos: the number of the end symbol.
        draft: how to draft; ``None``: not at all.
    """

    def __init__(
        self,
        decoder: Any,
        layers: Sequence[nn.Module],
        rule: GreedyRule,
        max_len: int,
        start: int,
        eos: int,
        draft: Optional[Draft],
    ) -> None:
        drafting = 0 if draft is None else draft.layers
        self._first, self._others, self._layers = layers[:drafting], layers[drafting:], layers
        self._pass = DecoderPass(decoder, max_len, 1 if draft is None else draft.words + 1, eos)
        self._rule, self._draft = rule, draft
        self._max_len, self._start, self._eos = max_len, start, eos
        self._near_ties = NearTies(decoder.embed_tokens.weight.dtype)

    def search(
        self, encoder_out: Dict[str, List[Tensor]], sentences: int, counts: TurnCounts
    ) -> Optional[List[Translation]]:
        """Translate all sentences of the batch.

        Args:
            encoder_out: fairseq's ``encoder_out`` of the batch.
            sentences: their number.
            counts: to add to.

        Returns:
            The translation of each sentence; ``None`` if a near tie occurred.
        """
        rows = [_Row(sentence, [], []) for sentence in range(sentences)]
        caches = RowCaches(self._layers, encoder_out, sentences)
        finished: Dict[int, Translation] = {}
        while True:
            turn = self._turn(rows, caches, counts)
            if turn is None:
                return None
            going_on = [index for index, row in enumerate(rows) if row.words[-1] != self._eos]
            finished.update((row.sentence, (row.words, row.scores)) for row in rows if row.words[-1] == self._eos)
            if not going_on:
                counts.words += sum(len(words) for words, _ in finished.values())
                return [finished[sentence] for sentence in range(sentences)]
            caches.keep(*turn)
            if len(going_on) < len(rows):
                rows = [rows[index] for index in going_on]
                caches.select(going_on)
            caches.pack()

    def _turn(self, rows: Sequence[_Row], caches: RowCaches, counts: TurnCounts) -> Optional[Tuple[List[int], int]]:
        """Draft and check; append the words that each row keeps to it.

        Returns:
            Their number per row, and the number of words that the layers ran on; ``None`` if a near tie occurred.
        """
        steps = [len(row.words) for row in rows]
        drafted = 0 if self._draft is None else min(self._draft.words, self._max_len - min(steps))
        like = caches.encoder_out
        window = self._rule.window([row.sentence for row in rows], steps, drafted + 1, like)
        latest = on_device_of(like, [[row.words[-1] if row.words else self._start] for row in rows], torch.long)
        positions = self._pass.positions(steps, drafted + 1)
        caches.expect(drafted + 1)
        inputs, states = self._drafted(latest, positions, window, drafted, caches)
        width = inputs.size(1)  # fewer words if all rows have drafted the end
        states = self._pass.run(self._others, states, caches, caches.columns)
        chosen = self._rule.best_words(self._pass.logits(states), _cut(window, width))
        # The only wait for the device: 4 × rows × width
        words, scores, margins, guesses = torch.cat([chosen, inputs.double().unsqueeze(0)]).tolist()
        kept = []
        for row, *of_row in zip(rows, words, scores, margins, guesses):
            count, accepted = self._keep(row, *of_row)
            if count == 0:
                return None
            kept.append(count)
            counts.accepted += accepted
        if self._draft is not None:
            counts.checks += len(rows)
            counts.drafted += (width - 1) * len(rows)
            counts.given += sum(kept)
        return kept, width

    def _drafted(
        self, latest: Tensor, positions: Optional[Tensor], window: Window, count: int, caches: RowCaches
    ) -> Tuple[Tensor, Tensor]:
        """Draft *count* words per row.

        Returns:
            The latest word and the drafted ones, rows × width; and what the first layers make of them, width × rows ×
            channels, the input of the other layers.
        """
        inputs: List[Tensor] = [latest]
        states: List[Tensor] = []
        while True:
            ahead = len(states)
            here = None if positions is None else positions[:, ahead : ahead + 1]  # rows × 1 × channels
            x = self._pass.embed(inputs[-1], here)  # 1 × rows × channels
            states.append(self._pass.run(self._first, x, caches, caches.columns + ahead))
            if self._draft is None or ahead == count:
                break
            word = self._draft.vocabulary.best_words(self._pass.features(states[-1]))  # rows × 1
            if window.forced is not None:
                forced = window.forced[:, ahead : ahead + 1]  # rows × 1
                word = torch.where(forced.eq(FREE), word, forced)
            if word.device.type == "cpu" and bool(word.eq(self._eos).all()):
                break  # nothing follows; a GPU would have to wait for the answer
            inputs.append(word)
        return torch.cat(inputs, dim=1), torch.cat(states)

    def _keep(
        self, row: _Row, words: List[float], scores: List[float], margins: List[float], guesses: List[float]
    ) -> Tuple[int, int]:
        """Append to *row* the words that it keeps.

        Args:
            row: the row.
            words: the deepest exit's choice after each input.
            scores: their log-probabilities.
            margins: the differences to the second best words.
            guesses: the inputs: the row's latest word, and the drafted ones.

        Returns:
            The number of words, 0 if a near tie occurred, and how many of them were drafted.
        """
        count = drafted = 0
        for word, score, margin, following in zip(words, scores, margins, [*guesses[1:], None]):
            row.total += score
            if self._near_ties.includes(margin, row.total):
                return 0, 0
            row.words.append(int(word))
            row.scores.append(score)
            count += 1
            drafted += word == following
            if word == self._eos or word != following:
                break
        return count, drafted


def _cut(window: Window, width: int) -> Window:
    """The first *width* steps of *window*."""
    return Window(*(None if part is None else part[:, :width] for part in window))
