"""Every architecture and every criterion on a pretended GPU: no devices mixed, the CPU's values, few waits."""

from typing import Callable

import pytest
import torch
from fairseq.criterions.adaptive_loss import AdaptiveLoss
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from tests import device_cases, drafts, tiny
from tests.campaigns.waits import counts_of, outside_of_models
from tests.device_cases import ARCHITECTURES, CRITERIONS, Case
from tests.pretended_gpu import Watch, pretended_gpu, to_cpu, to_gpu
from tests.unit import test_language_model, test_speech_to_text

STUDENTS = ("tied_multi_cross_entropy", "accumulate_depths", "pkd, attention, weights")


def assert_as_on_the_cpu(build: Callable[[], Case]) -> None:
    """An update and a validation log the same and lead to the same parameters."""
    here, there = build(), build()
    torch.manual_seed(3)  # LayerDrop draws
    expected = [here.update(), here.validate()]
    with pretended_gpu():
        there.move(to_gpu)
        torch.manual_seed(3)
        logged = [there.update(), there.validate()]
    assert logged == [pytest.approx(one, rel=1e-4, abs=1e-6) for one in expected]
    for part in ("model", "criterion"):
        values = dict(getattr(there, part).named_parameters())
        for name, value in getattr(here, part).named_parameters():
            assert torch.allclose(to_cpu(values[name]), value, atol=1e-6), name


@pytest.mark.parametrize("criterion", CRITERIONS)
def test_every_criterion(criterion: str) -> None:
    assert_as_on_the_cpu(CRITERIONS[criterion])


@pytest.mark.parametrize("criterion", STUDENTS)
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "Post-LN"])
def test_every_architecture(architecture: str, criterion: str) -> None:
    assert_as_on_the_cpu(lambda: device_cases.translation(criterion, ARCHITECTURES[architecture]))


def test_the_language_model() -> None:
    def build() -> Case:
        tokens = test_language_model.TOKENS
        net_input = {"src_tokens": tokens, "src_lengths": None}
        criterion = AdaptiveLoss(test_language_model.TASK, sentence_avg=False)
        sample = {"net_input": net_input, "target": tokens, "ntokens": 21, "nsentences": 3}
        return device_cases.of_other_tasks(test_language_model.shared("cycle_rev"), criterion, sample)

    assert_as_on_the_cpu(build)


def test_the_speech_model() -> None:
    def build() -> Case:
        frames, lengths = test_speech_to_text.FRAMES, test_speech_to_text.LENGTHS
        previous = test_speech_to_text.PREVIOUS
        net_input = {"src_tokens": frames, "src_lengths": lengths, "prev_output_tokens": previous}
        criterion = LabelSmoothedCrossEntropyCriterion(test_speech_to_text.TASK, False, 0.1)
        sample = {"net_input": net_input, "target": previous, "ntokens": previous.numel(), "nsentences": 3}
        return device_cases.of_other_tasks(test_speech_to_text.shared("cycle_rev"), criterion, sample)

    assert_as_on_the_cpu(build)


# Outside of the models' forward passes, those of fairseq's trainer and log included, an update waits so often: for the
# target words that are no padding, whether the last update's losses were finite, the norm of the gradients and the log.
# With label_smoothed_cross_entropy it is as often: for the norm and for each number of the log.
COMPARED_POSITIONS = 1  # of each side whose layers are compared: those that are no padding
WEIGHTED_SIZE = 1  # the sample size, by which gradients are divided, is computed on the device
MORE_WAITS = {
    "tied_multi_cross_entropy, weights": WEIGHTED_SIZE,
    "pkd": COMPARED_POSITIONS,
    "pkd, attention, weights": COMPARED_POSITIONS + WEIGHTED_SIZE,
    "ckd": COMPARED_POSITIONS,
    "ckd, student, decoder": 2 * COMPARED_POSITIONS,
}
ALL_WAITS = 2  # more than with the stock criterion, the models' forward passes included, the teacher's too


@pytest.fixture(scope="module")
def stock() -> Watch:
    return counts_of(device_cases.stock({"encoder_layers": 2}))


@pytest.mark.parametrize("criterion", CRITERIONS)
def test_an_update_waits_little_more_than_with_the_stock_criterion(criterion: str, stock: Watch) -> None:
    watch = counts_of(CRITERIONS[criterion]())
    assert outside_of_models(watch) <= outside_of_models(stock) + MORE_WAITS.get(criterion, 0), watch.waits
    assert sum(watch.waits.values()) <= sum(stock.waits.values()) + ALL_WAITS, watch.waits


def test_the_models_of_all_depths_wait_no_more_than_the_stock_one(stock: Watch) -> None:
    for criterion in ("tied_multi_cross_entropy", "accumulate_depths"):
        watch = counts_of(CRITERIONS[criterion]())
        assert sum(watch.waits.values()) <= sum(stock.waits.values()), watch.waits


def test_the_further_batches_of_an_update_are_not_asked_for_their_losses() -> None:
    case = device_cases.translation("tied_multi_cross_entropy")
    once, twice = (outside_of_models(counts_of(case, batches)) for batches in (1, 2))
    assert twice - once == 1  # for padding


def test_greedy_search_waits_once_per_turn() -> None:
    """fairseq's waits several times per word."""
    batch, search = tiny.sample([3, 9, 5], [3] * 3), {"max_len_b": 9}
    expected = drafts.greedy(drafts.disagreeing_model(1, 0.8), batch, search)
    with pretended_gpu() as watch:
        model = to_gpu(drafts.disagreeing_model(1, 0.8))
        net_input = {name: to_gpu(value) for name, value in batch["net_input"].items()}
        for options in ({"draft_dec_layers": 2}, {"fast_greedy": True}):
            watch.forget()
            compared = drafts.compare(model, {"net_input": net_input}, search, expected, **options)
            assert (compared.differing, compared.report.again) == ([], 0)
            assert compared.largest < 1e-5
            waits = sum(count for (_, line), count in watch.waits.items() if ".decoding." in line)
            assert waits <= search["max_len_b"] + 1
