"""Greedy search with drafts: word for word fairseq's, whatever the exits say."""

from argparse import Namespace
from typing import Any, Dict, List, Tuple

import pytest
import torch
from hypothesis import given, settings

from fairseq_flexdepth.decoding.draft_vocabulary import DraftVocabulary, most_frequent
from fairseq_flexdepth.decoding.greedy_loop import GreedyLoop
from fairseq_flexdepth.decoding.greedy_options import asked_options, drafting_depths, read_options
from fairseq_flexdepth.decoding.near_ties import NearTies
from fairseq_flexdepth.decoding.self_speculative import Drafting, SelfSpeculativeGenerator
from tests import draft_examples, drafts, tiny
from tests.drafts import assert_exact

models = pytest.mark.parametrize("changes", drafts.MODELS.values(), ids=drafts.MODELS.keys())


@models
def test_rows_that_keep_different_numbers_of_words(changes: Dict[str, Any]) -> None:
    """They stand at different positions, and leave the batch at different times."""
    model = drafts.disagreeing_model(1, agreement=0.8, **changes).double()
    batch = tiny.sample([3, 9, 5, 2], [3] * 4)
    depths = drafting_depths(model)
    depth = 2 if 2 in depths else depths[-1]
    counts = assert_exact(model, batch, {"max_len_b": 12}, draft_dec_layers=depth).counts
    assert 0 < counts.accepted < counts.drafted
    assert counts.given == counts.words


# Of 4 decoder layers: the strategy, the depth that checks, those that can draft; and the layers of those that cannot.
SUBNETWORKS: List[Tuple[str, int, List[int], Dict[int, str]]] = [
    ("head", 4, [1, 2, 3], {}),
    ("left", 4, [1, 3], {2: "1,3"}),
    ("left", 3, [1], {2: "1,3"}),
    ("left", 2, [1], {}),  # the layers 1 and 3 check
    ("seq", 4, [1], {2: "2,3", 3: "1,2,4"}),
    ("seq", 3, [1], {2: "2,3"}),
    ("seq", 2, [], {1: "1"}),
    ("middle_left", 4, [3], {1: "2", 2: "1,3"}),
    ("optimal", 4, [3], {1: "4", 2: "1,3"}),
]


@pytest.mark.parametrize(("strategy", "checking", "drafting", "refused"), SUBNETWORKS)
def test_subnetworks(strategy: str, checking: int, drafting: List[int], refused: Dict[int, str]) -> None:
    """A depth drafts if its layers come first among those that check."""
    model = drafts.disagreeing_model(1, agreement=0.8, subnetworks=strategy)
    model.set_depth(2, checking)
    positions = model.encoder_subnetworks[2], model.decoder_subnetworks[checking]
    stock = tiny.stock_subnetwork(model, *positions).double().eval()
    assert drafting_depths(model.double()) == drafting
    for depth in drafting:
        batch = tiny.sample([3, 9, 5, 2], [3] * 4)
        assert assert_exact(model, batch, {"max_len_b": 12}, stock, draft_dec_layers=depth).counts.drafted
    among = ",".join(map(str, positions[1]))
    for depth, layers in refused.items():
        reason = f"runs the decoder layers {layers}, which do not come first among {among}, .*--subnetworks {strategy}"
        with pytest.raises(ValueError, match=rf"^--draft-dec-layers {depth}: {reason}\)$"):
            Drafting(read_options(Namespace(draft_dec_layers=depth)), model)


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> List[List[int]]:
    """The number of drafted words that each row accepts, of each check from now on."""
    turns: List[List[int]] = []
    turn, keep = GreedyLoop._turn, GreedyLoop._keep

    def recorded_turn(*args: Any) -> Any:
        turns.append([])
        return turn(*args)

    def recorded_keep(*args: Any) -> Any:
        kept = keep(*args)
        turns[-1].append(kept[1])
        return kept

    monkeypatch.setattr(GreedyLoop, "_turn", recorded_turn)
    monkeypatch.setattr(GreedyLoop, "_keep", recorded_keep)
    return turns


@pytest.mark.parametrize("words", [1, 4, 9])
def test_a_row_that_accepts_nothing_beside_one_that_accepts_all(words: int, accepted: List[List[int]]) -> None:
    """Each is translated as if it were alone."""
    model = drafts.disagreeing_model(1, agreement=0.9)
    stock = tiny.stock_model(model, 3, 4).double().eval()
    lengths, search = [3, 9, 5, 2], {"max_len_b": 20}
    options = {"draft_dec_layers": 2, "draft_tokens": words}
    batch = tiny.sample(lengths, [3] * len(lengths))
    expected = drafts.greedy(stock, batch, search)
    assert_exact(model.double(), batch, search, stock, **options)
    assert any(min(rows) == 0 and max(rows) == words for rows in accepted)
    for row, length in enumerate(lengths):
        source = batch["net_input"]["src_tokens"][row : row + 1, -length:]
        alone = {"net_input": {"src_tokens": source, "src_lengths": torch.tensor([length])}}
        compared = drafts.compare(model, alone, search, [expected[row]], **options)
        assert (compared.differing, compared.report.again) == ([], 0)
        assert drafts.greedy(stock, alone, search)[0]["tokens"].equal(expected[row]["tokens"])


@settings(derandomize=True, deadline=None, database=None, max_examples=20)
@given(example=draft_examples.EXAMPLES)
def test_no_counter_example(example: Dict[str, Any]) -> None:
    """``python -m tests.campaigns.counter_examples`` tries many more."""
    draft_examples.check(example)


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
    drafting.batches = 30
    generator = SelfSpeculativeGenerator([model], model.decoder.dictionary, drafting, beam_size=1, **search)
    used = []
    while not drafting.report.compared:  # once a setting is chosen
        found = generator.generate([model], batch)
        assert [hypothesis["tokens"].tolist() for (hypothesis,) in found] == expected
        used.append(drafting.setting)
    assert {setting.depth for setting in used} == {0, 1, 2}
    assert 0 < drafting.report.counts.given < drafting.report.counts.words  # no check gives the words without drafts
    for _ in range(4):
        generator.generate([model], batch)
    assert drafting.report.compared == 3 * 3  # three batches
