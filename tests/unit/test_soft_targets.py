"""A teacher's distributions: mean, temperature, the most probable words."""

import weakref
from typing import Any, Iterator, List

import pytest
import torch

from fairseq_flexdepth.modules.losses import chunks
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets, mean_logits, soft_targets


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SMALL_CHUNK_ELEMENTS", 20)  # two rows of 9 words


def logits(seed: int = 1) -> torch.Tensor:
    return 3 * torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(seed))


def dense(targets: SoftTargets) -> torch.Tensor:
    rows = targets.rows(slice(0, 6))
    scores = torch.zeros(6, 9)
    rows.subtract_from(scores, -1.0)
    return scores


def test_one_teacher_gives_its_softmax() -> None:
    expected = torch.softmax(logits(), dim=-1).view(6, 9)
    assert torch.allclose(dense(soft_targets(logits())), expected, atol=1e-7)


def test_an_ensemble_gives_the_mean_of_the_distributions() -> None:
    expected = sum(torch.softmax(logits(seed), dim=-1) for seed in (1, 2, 3)).view(6, 9) / 3
    mean = mean_logits(logits(seed) for seed in (1, 2, 3))
    assert torch.allclose(dense(soft_targets(mean)), expected, atol=1e-6)


@pytest.mark.parametrize("teachers", [1, 2])
def test_temperature_takes_the_root_of_the_probabilities(teachers: int) -> None:
    mean = sum(torch.softmax(logits(seed), dim=-1) for seed in range(teachers)).view(6, 9) / teachers
    expected = mean.sqrt() / mean.sqrt().sum(dim=1, keepdim=True)
    found = dense(soft_targets(mean_logits(logits(seed) for seed in range(teachers)), temperature=2.0))
    assert torch.allclose(found, expected, atol=1e-6)


def test_topk_keeps_the_most_probable_and_says_what_it_drops() -> None:
    whole = torch.softmax(logits(), dim=-1).view(6, 9)
    targets = soft_targets(logits(), topk=4)
    kept = dense(targets)
    assert (kept > 0).sum(dim=1).tolist() == [4] * 6
    assert torch.allclose(kept.sum(dim=1), torch.ones(6))
    largest = whole.topk(4, dim=1)
    assert torch.allclose(kept.gather(1, largest.indices), largest.values / largest.values.sum(dim=1, keepdim=True))
    assert targets.dropped is not None
    assert torch.allclose(targets.dropped, 1 - largest.values.sum(dim=1), atol=1e-6)


def test_topk_of_all_words_is_no_topk() -> None:
    targets = soft_targets(logits(), topk=9)
    assert torch.allclose(dense(targets), dense(soft_targets(logits())), atol=1e-6)
    assert targets.dropped is not None
    assert targets.dropped.abs().max() < 1e-6


@pytest.mark.parametrize("teachers", [1, 3])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_improbable_words(dtype: torch.dtype, temperature: float, teachers: int) -> None:
    said = [(8 * logits(seed)).to(dtype) for seed in range(teachers)]
    mean = sum(torch.softmax(one.double(), dim=-1) for one in said).view(6, 9) / teachers
    assert (mean < 1e-9).any()
    expected = mean ** (1 / temperature)
    expected /= expected.sum(dim=1, keepdim=True)
    found = dense(soft_targets(mean_logits(one.clone() for one in said), temperature))
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("topk", [0, 4])
def test_rows_are_taken_by_their_index(topk: int) -> None:
    index = torch.tensor([5, 0, 0, 3])
    targets, scores = soft_targets(logits(), topk=topk), torch.randn(4, 9)
    expected = (dense(targets)[index] * scores).sum(dim=1)
    assert torch.allclose(targets.rows(index).expectation(scores), expected, atol=1e-6)


def test_no_more_than_two_teachers_logits_are_held() -> None:
    alive: List[Any] = []

    def teachers() -> Iterator[torch.Tensor]:
        for seed in range(4):
            assert sum(reference() is not None for reference in alive) <= 1
            said = logits(seed)
            alive.append(weakref.ref(said))
            yield said
            del said

    mean_logits(teachers())
    assert len(alive) == 4
