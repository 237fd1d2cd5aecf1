"""The report of selective decoding."""

from types import SimpleNamespace
from typing import Any

from fairseq_flexdepth.decoding.selective_decoding import SelectiveDecoding


def test_a_report_of_nothing_decoded() -> None:
    """Interactive decoding may end before its first batch."""
    selector: Any = SimpleNamespace(pairs=[(1, 1), (2, 1)], relative_seconds=[0.5, 1.0])
    assert SelectiveDecoding(selector, "selector.pt")._report().startswith("depths of 0 sentences by selector.pt")
