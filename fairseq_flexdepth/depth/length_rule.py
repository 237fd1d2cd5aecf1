"""A rule that chooses the depth pair by the length of the source alone: the baseline of learned selectors."""

import bisect
import re
from typing import List, NamedTuple

from fairseq_flexdepth.depth.supported_depths import DepthPair


class LengthRule(NamedTuple):
    """Sentences of up to ``limits[i]`` tokens decode at ``pairs[i]``, longer sentences at the last pair."""

    limits: List[int]  # ascending, in source tokens without the end-of-sentence symbol
    pairs: List[DepthPair]  # one more than limits

    def choose(self, length: int) -> DepthPair:
        """The depth pair of a sentence of *length* source tokens."""
        return self.pairs[bisect.bisect_left(self.limits, length)]


def parse_length_rule(text: str, option: str) -> LengthRule:
    """Parse a rule such as ``12=1-1,20=2-2,3-3``: (1, 1) up to 12 tokens, (2, 2) up to 20, then (3, 3).

    Args:
        text: the rule.
        option: option name for error messages.

    Raises:
        ValueError: *text* is not a rule, or its limits do not ascend.
    """
    *steps, last = text.split(",")
    parsed = [re.fullmatch(r"(\d+)=(\d+)-(\d+)", step) for step in steps]
    final = re.fullmatch(r"(\d+)-(\d+)", last)
    limits = [int(step.group(1)) for step in parsed if step]
    if final is None or None in parsed or any(a >= b for a, b in zip(limits, limits[1:])):
        raise ValueError(f"{option}: expected ascending lengths and depths such as length:12=1-1,20=2-2,3-3")
    pairs = [(int(step.group(2)), int(step.group(3))) for step in parsed if step]
    return LengthRule(limits, [*pairs, (int(final.group(1)), int(final.group(2)))])
