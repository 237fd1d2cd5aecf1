"""Greedy search with drafts: word for word fairseq's, whatever the exits say."""

from argparse import Namespace
from typing import Any, Dict, List, Optional

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_flexdepth.decoding.draft_vocabulary import DraftVocabulary, most_frequent
from fairseq_flexdepth.decoding.greedy_options import asked_options
from fairseq_flexdepth.decoding.near_ties import NearTies
from fairseq_flexdepth.decoding.self_speculative import Drafting, SelfSpeculativeGenerator
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


@settings(derandomize=True, deadline=None, database=None, max_examples=20)
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


def test_a_near_tie_is_left_to_fairseq() -> None:
    """All words have equal embeddings: fairseq's search says which of them it takes."""
    model = drafts.disagreeing_model(3, agreement=0.9).double()
    with torch.no_grad():
        model.decoder.output_projection.weight[:] = model.decoder.output_projection.weight[4]
    batch, search = tiny.sample([3, 9], [3] * 2), {"max_len_b": 6, "min_len": 6}
    compared = drafts.compare(model, batch, search, drafts.greedy(model, batch, search), draft_dec_layers=1)
    assert (compared.differing, compared.largest, compared.report.again) == ([], 0.0, 2)


def test_half_precision_decides_near_ties_itself() -> None:
    ties = NearTies(torch.float16)
    assert not ties.includes(0.0, -3.0)
    assert ties.includes(float("nan"), float("nan"))


def test_the_longer_a_sentence_the_wider_a_near_tie() -> None:
    """fairseq compares sums in single precision, whose last digits are coarser."""
    ties = NearTies(torch.float32)
    assert not ties.includes(2e-4, -1.0)
    assert ties.includes(2e-4, -1000.0)


def test_the_draft_vocabulary_of_a_dictionary_in_any_order() -> None:
    model = drafts.disagreeing_model(1, agreement=0.9).double()
    words = model.decoder.dictionary
    words.count = [1, 1, 1, 1, *range(1, len(words) - 3)]  # the rarest first
    assert most_frequent(words, 7) == [0, 1, 2, 3, 18, 19, 20]
    features = torch.randn(1, 3, 12, dtype=torch.float64)
    vocabulary = DraftVocabulary(model.decoder, words, 7)
    for _ in range(2):
        logits = model.decoder.output_layer(features)[0]
        logits[:, 4:18] = float("-inf")
        assert vocabulary.best_words(features).equal(logits.argmax(-1, keepdim=True))
        with torch.no_grad():
            model.decoder.output_projection.weight.neg_()  # as training on does
    assert_exact(model, tiny.sample([3, 9], [3] * 2), {"max_len_b": 9}, draft_dec_layers=1, draft_vocabulary=7)


def test_stock_transformers_have_the_fast_loop() -> None:
    model = tiny.plain_model().double().eval()
    assert_exact(model, tiny.sample([3, 9, 5], [3] * 3), {"max_len_b": 9}, fast_greedy=True)


def test_auto_gives_the_same_words_while_it_measures() -> None:
    model = drafts.disagreeing_model(2, agreement=0.9).double()
    batch, search = tiny.sample([3, 9, 5], [3] * 3), {"max_len_b": 20, "min_len": 20}
    expected = [found["tokens"].tolist() for found in drafts.greedy(model, batch, search)]
    options = asked_options(Namespace(draft_dec_layers="auto"))
    assert options is not None
    drafting = Drafting(options, model)
    drafting.comparing = 1
    generator = SelfSpeculativeGenerator([model], model.decoder.dictionary, drafting, beam_size=1, **search)
    used = []
    while not drafting.report.compared:  # once a setting is chosen
        found = generator.generate([model], batch)
        assert [hypothesis["tokens"].tolist() for (hypothesis,) in found] == expected
        used.append(drafting.setting)
    assert {setting.depth for setting in used} == {0, 1, 2}
    assert drafting.report.compared == 3
    assert drafting.comparing == 0
