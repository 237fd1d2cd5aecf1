"""Greedy search with drafts: word for word fairseq's, whatever the exits say."""

from typing import Any, Dict, List, Optional

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import drafts, tiny

models = pytest.mark.parametrize("changes", drafts.MODELS.values(), ids=drafts.MODELS.keys())


def assert_exact(model: Any, batch: Dict, search: Dict, prefix: Optional[torch.Tensor] = None, **options: Any) -> Any:
    """Check our hypotheses against fairseq's, without its help; return our report."""
    expected = drafts.greedy(model, batch, search, prefix)
    compared = drafts.compare(model, batch, search, expected, prefix, **options)
    assert compared.differing == []
    assert compared.largest < 1e-5
    assert compared.report.again == 0
    return compared.report


@models
def test_rows_that_keep_different_numbers_of_words(changes: Dict[str, Any]) -> None:
    """They stand at different positions, and leave the batch at different times."""
    model = drafts.disagreeing_model(1, agreement=0.8, **changes).double()
    batch = tiny.sample([3, 9, 5, 2], [3] * 4)
    counts = assert_exact(model, batch, {"max_len_b": 12}, draft_dec_layers=2).counts
    assert 0 < counts.accepted < counts.drafted


OPTIONS = st.fixed_dictionaries(
    {
        "min_len": st.integers(0, 5),
        "max_len_a": st.sampled_from([0, 0.5, 2]),
        "max_len_b": st.integers(5, 12),
        "unk_penalty": st.sampled_from([0.0, -2.0, 1.5]),
        "len_penalty": st.sampled_from([0.0, 0.6, 1.0]),
        "normalize_scores": st.booleans(),
        "temperature": st.sampled_from([1.0, 1.7]),
    }
)


@settings(derandomize=True, deadline=None, database=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    draft_dec_layers=st.integers(1, 3) | st.none(),
    words=st.integers(1, 16),
    vocabulary=st.integers(1, 21),
    search=OPTIONS,
    prefix=st.integers(0, 4),
    agreement=st.sampled_from([0.0, 0.5, 0.95]),
    changes=st.sampled_from(list(drafts.MODELS.values())),
)
def test_no_counter_example(
    seed: int, lengths: List[int], draft_dec_layers: Optional[int], words: int, vocabulary: int, search: Dict,
    prefix: int, agreement: float, changes: Dict,
) -> None:  # fmt: skip
    model = drafts.disagreeing_model(seed, agreement, **changes).double()
    batch = tiny.sample(lengths, [1 + length % 4 for length in lengths], seed=seed)
    options: Dict[str, Any] = {"fast_greedy": True}
    if draft_dec_layers is not None:
        options = {"draft_dec_layers": draft_dec_layers, "draft_tokens": words, "draft_vocabulary": vocabulary}
    assert_exact(model, batch, search, batch["target"][:, :prefix] if prefix else None, **options)
