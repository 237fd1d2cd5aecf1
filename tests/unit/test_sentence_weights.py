"""Weighted sentences: how they reach a batch, and what they do to every loss."""

from pathlib import Path
from typing import Any, Dict

import numpy
import pytest
import torch

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from fairseq_flexdepth.tasks.sentence_weights import WeightedSentences, weights_file
from tests import tiny

SAMPLE = tiny.sample([5, 5, 5], [4, 6, 2])


class Numbers:
    """Stands for fairseq's LanguagePairDataset: three sentences, whose batches are sorted otherwise."""

    src_sizes = (5, 6, 7)

    def __len__(self) -> int:
        return 3

    def collater(self, samples: Any) -> Dict[str, Any]:
        return {"id": torch.tensor([2, 0])} if samples else {}


def test_batches_get_the_weights_of_their_sentences(tmp_path: Path) -> None:
    path = weights_file(str(tmp_path), "train", "de", "en")
    assert path == str(tmp_path / "train.de-en.weights.npy")
    numpy.save(path, numpy.array([0.1, 0.2, 0.7], dtype=numpy.float32))
    dataset = WeightedSentences(Numbers(), path)
    assert torch.allclose(dataset.collater(["two", "sentences"])["sentence_weights"].float(), torch.tensor([0.7, 0.1]))
    assert dataset.collater([]) == {}


def test_what_else_the_data_set_has_is_there(tmp_path: Path) -> None:
    numpy.save(str(tmp_path / "weights.npy"), numpy.ones(3, dtype=numpy.float32))
    dataset = WeightedSentences(Numbers(), str(tmp_path / "weights.npy"))
    assert dataset.src_sizes == (5, 6, 7)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = dataset.no_such_thing


def test_weights_for_other_sentences_are_refused(tmp_path: Path) -> None:
    numpy.save(str(tmp_path / "weights.npy"), numpy.ones(4, dtype=numpy.float32))
    with pytest.raises(ValueError, match="weights.npy: holds 4 weights for 3 sentences"):
        WeightedSentences(Numbers(), str(tmp_path / "weights.npy"))


@pytest.mark.parametrize("build", [tiny.plain_model, tiny.flexible_model], ids=["one depth", "many"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("sentence_avg", [False, True])
def test_a_weight_counts_a_sentence_so_many_times(
    build: Any, alpha: float, sentence_avg: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([tiny.plain_model(2)]))
    config = WordKDConfig(
        kd_alpha=alpha, teacher_path="t.pt", label_smoothing=0.1, sentence_avg=sentence_avg, seed=1, kd_topk=5
    )
    tested = WordKDCriterion(tiny.task(), config)
    twice = torch.tensor([0, 1, 1, 2])
    repeated = {
        **SAMPLE,
        "net_input": {name: words[twice] for name, words in SAMPLE["net_input"].items()},
        "target": SAMPLE["target"][twice],
        "ntokens": SAMPLE["ntokens"] + 6,
    }
    one, other = build(), build()
    loss, size, logged = tested(one, {**SAMPLE, "sentence_weights": torch.tensor([1.0, 2.0, 1.0])})
    expected, expected_size, expected_logged = tested(other, repeated)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert float(size) == expected_size
    assert logged.pop("weighted_tokens") == expected_logged["ntokens"]
    for key in logged.keys() - {"ntokens", "nsentences"}:
        assert float(logged[key]) == pytest.approx(float(expected_logged[key]), rel=1e-5), key
    loss.backward()
    expected.backward()
    tiny.assert_gradients(one, tiny.gradients(other))


def test_half_precision_does_not_reach_the_weights(tmp_path: Path) -> None:
    """fairseq's trainer turns all of a batch that is in single precision into half."""
    numpy.save(str(tmp_path / "weights.npy"), numpy.array([1e-8, 1, 2], dtype=numpy.float32))
    batch = WeightedSentences(Numbers(), str(tmp_path / "weights.npy")).collater([0, 1, 2])
    assert batch["sentence_weights"].dtype == torch.float64
