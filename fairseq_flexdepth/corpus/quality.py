"""The score by which a sweep ranks depth pairs: its name, and whether a lower value is better."""

from typing import NamedTuple


class Quality(NamedTuple):
    """A score of a depth pair.

    A row of a sweep has it as the attribute *key*, and what belongs to it as ``<key>_mean``, ``<key>_difference`` and
    so on.
    """

    key: str
    title: str  # as reports write it
    lower_is_better: bool = False

    def gain(self, value: float) -> float:
        """The score, or a difference of scores, as a number that is higher where the quality is."""
        return -value if self.lower_is_better else value


BLEU = Quality("bleu", "BLEU")
WER = Quality("wer", "WER", lower_is_better=True)
