"""The choice of how to draft (``--draft-dec-layers auto``), by the speed on the first sentences.

Any choice gives the same translations, so measuring costs no extra decoding: the first sentences are decoded by one
candidate after another. First each depth is tried with the default number of words, then other numbers with the
fastest depth.
"""

from typing import Dict, NamedTuple, Optional, Sequence

DEFAULT_WORDS = 4  # per turn
_OTHER_WORDS = (2, 8)
_ENOUGH = 120  # words to measure a candidate on


class Setting(NamedTuple):
    """How to draft."""

    depth: int  # the decoder depth that drafts; 0: no drafts
    words: int  # drafted per turn

    def __str__(self) -> str:
        return f"{self.words} words by {self.depth} layers" if self.depth else "no drafts"


NO_DRAFTS = Setting(0, 0)


class FixedDraft:
    """One setting for all sentences."""

    settled = True

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def next(self) -> Setting:
        """The setting for the next batch."""
        return self._setting

    def record(self, setting: Setting, words: int, seconds: float) -> None:
        """Ignore a measurement."""


class DraftChoice:
    """Chooses the fastest setting.

    Args:
        depths: the decoder depths that can draft.
        words: the number of drafted words, if it is given.
    """

    def __init__(self, depths: Sequence[int], words: Optional[int]) -> None:
        self._given_words = words
        candidates = [NO_DRAFTS, *(Setting(depth, words or DEFAULT_WORDS) for depth in depths)]
        self._words: Dict[Setting, int] = dict.fromkeys(candidates, 0)
        self._seconds: Dict[Setting, float] = dict.fromkeys(candidates, 0.0)
        self._refined = words is not None or not depths
        self._first = True  # the first batch of a process is slow with any setting
        self.chosen: Optional[Setting] = None

    def next(self) -> Setting:
        """The setting for the next batch."""
        if self.chosen is not None:
            return self.chosen
        unmeasured = [setting for setting, words in self._words.items() if words < _ENOUGH]
        if unmeasured:
            return unmeasured[0]
        fastest = min(self._words, key=self.seconds_per_word)
        if self._refined or fastest == NO_DRAFTS:
            self.chosen = fastest
            return fastest
        self._refined = True
        for words in _OTHER_WORDS:
            self._words[Setting(fastest.depth, words)] = 0
            self._seconds[Setting(fastest.depth, words)] = 0.0
        return self.next()

    def record(self, setting: Setting, words: int, seconds: float) -> None:
        """Note that a batch of this many translated *words* took *seconds* with *setting*."""
        if self._first:
            self._first = False
        elif self.chosen is None:
            self._words[setting] += words
            self._seconds[setting] += seconds

    def seconds_per_word(self, setting: Setting) -> float:
        """The measured speed of *setting*."""
        return self._seconds[setting] / self._words[setting]

    @property
    def settled(self) -> bool:
        """Whether the setting is chosen."""
        return self.chosen is not None
