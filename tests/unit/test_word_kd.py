"""word_kd against its formula on stock models, for students and teachers of every kind."""

from typing import Any, Dict, List, Tuple

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from tests import tiny

PAD, EPSILON = 1, 0.1
SAMPLE = tiny.sample([6, 4, 2], [3, 7, 1])
BUILDERS: Dict[str, Any] = {
    "transformer": tiny.plain_model,
    "lstm": tiny.lstm_model,
    "wider": lambda seed: tiny.plain_model(seed, encoder_embed_dim=16, decoder_embed_dim=16, encoder_layers=4),
    "tied-multi": tiny.flexible_model,
}


def criterion(monkeypatch: pytest.MonkeyPatch, teachers: List[Any], **options: Any) -> WordKDCriterion:
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher(teachers))
    config = {
        "label_smoothing": EPSILON, "sentence_avg": False, "seed": 1, "teacher_path": "teacher.pt", **options
    }  # fmt: skip
    return WordKDCriterion(tiny.task(), WordKDConfig(**config))


def teacher_distribution(teachers: List[Any], temperature: float) -> torch.Tensor:
    """Batch × length × vocabulary: the mean distribution, softened."""
    with torch.no_grad():
        mean = sum(torch.softmax(one.eval()(**SAMPLE["net_input"])[0], dim=-1) for one in teachers) / len(teachers)
    return torch.softmax(mean.log() / temperature, dim=-1)


def formula(logits: torch.Tensor, q: torch.Tensor, alpha: float, temperature: float) -> Tuple[torch.Tensor, ...]:
    """The loss, the negative log-likelihood and the distillation term, summed over target tokens."""
    target = SAMPLE["target"]
    hard, nll = label_smoothed_nll_loss(
        torch.log_softmax(logits, dim=-1).view(-1, 21), target.view(-1), EPSILON, ignore_index=PAD
    )
    soft = -(temperature**2) * (q * torch.log_softmax(logits / temperature, dim=-1)).sum(dim=-1)[target.ne(PAD)].sum()
    return (1 - alpha) * hard + alpha * soft, nll, soft


@pytest.mark.parametrize("student", ["transformer", "lstm"])
@pytest.mark.parametrize("teacher", BUILDERS)
@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 1.0), (1.0, 2.0)])
def test_one_depth(
    student: str, teacher: str, alpha: float, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other, taught_by = BUILDERS[student](1), BUILDERS[student](1), BUILDERS[teacher](2)
    tested = criterion(monkeypatch, [taught_by], kd_alpha=alpha, kd_temperature=temperature)
    tested.check_model(model)
    loss, sample_size, logged = tested(model.train(), SAMPLE)
    q = teacher_distribution([taught_by], temperature)
    expected, nll, soft = formula(other.train()(**SAMPLE["net_input"])[0], q, alpha, temperature)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert logged["nll_loss"].item() == pytest.approx(nll.item(), rel=1e-5)
    assert logged["kd_loss"].item() == pytest.approx(soft.item(), rel=1e-5)
    assert sample_size == SAMPLE["ntokens"]
    loss.backward()
    expected.backward()
    tiny.assert_gradients(model, tiny.gradients(other))


@pytest.mark.parametrize("accumulate", [False, True], ids=["stacked", "accumulated"])
@pytest.mark.parametrize("norm", tiny.NORMS.values(), ids=tiny.NORMS.keys())
def test_every_pair_of_a_student_of_many_depths_is_taught(
    norm: Dict[str, Any], accumulate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, teachers = tiny.flexible_model(**norm), [tiny.plain_model(2), tiny.lstm_model(3)]
    weights = {pair: weight / 21 for pair, weight in zip(model.depth_space.pairs, range(1, 7))}
    tested = criterion(
        monkeypatch, teachers, kd_temperature=1.5, depth_weights="1,2;3,4;5,6", accumulate_depths=accumulate
    )
    tested.check_model(model)
    loss, _, logged = tested(model.train(), SAMPLE)
    loss.backward()
    q = teacher_distribution(teachers, 1.5)
    total, soft_total, sums = 0.0, 0.0, {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for (n, m), weight in weights.items():
        stock = tiny.stock_model(model, n, m, **norm)
        expected, _, soft = formula(stock(**SAMPLE["net_input"])[0], q, 0.5, 1.5)
        (weight * expected).backward()
        total, soft_total = total + weight * expected.item(), soft_total + weight * soft.item()
        for name, gradient in tiny.gradients(stock).items():
            sums[name] += gradient
    assert loss.item() == pytest.approx(total, rel=1e-5)
    assert logged["kd_loss"].item() == pytest.approx(soft_total, rel=1e-5)
    tiny.assert_gradients(model, sums)


def test_without_alpha_it_is_fairseqs_loss_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    for build in (tiny.plain_model, tiny.lstm_model):
        model, other = build(1), build(1)
        loss, _, logged = criterion(monkeypatch, [], kd_alpha=0.0, teacher_path=None)(model, SAMPLE)
        net_output = other(**SAMPLE["net_input"])
        lprobs = other.get_normalized_probs(net_output, log_probs=True)
        expected, _ = label_smoothed_nll_loss(
            lprobs.view(-1, 21), SAMPLE["target"].view(-1), EPSILON, ignore_index=PAD
        )
        assert torch.equal(loss, expected)
        assert "kd_loss" not in logged
        loss.backward()
        expected.backward()
        for name, gradient in tiny.gradients(other).items():
            assert torch.equal(tiny.gradients(model)[name], gradient), name


def test_without_alpha_many_depths_are_tied_multi_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = tiny.flexible_model(), tiny.flexible_model()
    loss, _, _ = criterion(monkeypatch, [], kd_alpha=0.0, teacher_path=None)(model, SAMPLE)
    plain = TiedMultiCrossEntropyCriterion(
        tiny.task(), TiedMultiCrossEntropyConfig(label_smoothing=EPSILON, sentence_avg=False, seed=1)
    )
    expected, _, _ = plain(other, SAMPLE)
    assert torch.equal(loss, expected)
    loss.backward()
    expected.backward()
    assert all(torch.equal(tiny.gradients(model)[name], gradient) for name, gradient in tiny.gradients(other).items())


@pytest.mark.parametrize("build", [tiny.plain_model, tiny.flexible_model])
@pytest.mark.parametrize("topk", [0, 4])
def test_padding_never_counts(build: Any, topk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence's loss alone equals its share of a batch in which it is padded."""
    teacher = tiny.plain_model(2)
    tested, model = criterion(monkeypatch, [teacher], kd_topk=topk), build()
    _, _, logged = tested(model, SAMPLE)
    alone: Dict[str, float] = {}
    for row in range(3):
        source = SAMPLE["net_input"]["src_tokens"][row]
        target = SAMPLE["target"][row]
        length = int(target.ne(PAD).sum())
        single = {
            "net_input": {
                "src_tokens": source[source.ne(PAD)][None],
                "src_lengths": source.ne(PAD).sum()[None],
                "prev_output_tokens": SAMPLE["net_input"]["prev_output_tokens"][row : row + 1, :length],
            },
            "target": target[None, :length],
            "ntokens": length,
        }
        for key, value in tested(model, single)[2].items():
            alone[key] = alone.get(key, 0.0) + float(value)
    for key in ("loss", "nll_loss", "kd_loss", *(["kd_dropped"] if topk else [])):
        assert float(logged[key]) == pytest.approx(alone[key], rel=1e-5), key


def test_the_teacher_is_frozen_and_no_part_of_the_criterion(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = tiny.plain_model(2, dropout=0.5).train()
    tested = criterion(monkeypatch, [teacher]).train()
    assert not list(tested.parameters())
    assert not tested.state_dict()
    assert not teacher.training
    first, second = (tested(tiny.plain_model(), SAMPLE)[0] for _ in range(2))
    assert torch.equal(first, second)
    first.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_teacher_takes_the_students_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = tiny.plain_model(2)
    criterion(monkeypatch, [teacher])(tiny.plain_model().to(torch.bfloat16), SAMPLE)
    assert {parameter.dtype for parameter in teacher.parameters()} == {torch.bfloat16}


def test_validation_logs_the_same_kinds_of_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    tested, model = criterion(monkeypatch, [tiny.plain_model(2)], kd_topk=3), tiny.flexible_model().eval()
    _, _, logged = tested(model, SAMPLE)
    assert {"nll_e1d1", "nll_e3d2", "kd_loss", "kd_dropped", "nll_loss"} <= logged.keys()
    from fairseq.logging import metrics

    with metrics.aggregate() as aggregator:
        tested.reduce_metrics([logged, logged])
    values = aggregator.get_smoothed_values()
    assert values["kd_loss"] == pytest.approx(float(logged["kd_loss"]) / SAMPLE["ntokens"] / 0.6931, abs=1e-3)
    assert 0 < values["kd_dropped"] < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kd_alpha": 1.5}, "--kd-alpha 1.5: expected a number from 0 to 1"),
        ({"kd_alpha": -0.1}, "--kd-alpha -0.1: expected"),
        ({"kd_temperature": 0.0}, "--kd-temperature 0.0: expected a finite number above 0"),
        ({"kd_topk": 22}, r"--kd-topk 22: expected 0 \(all\) to 21, the size of the dictionary"),
        ({"kd_topk": -1}, "--kd-topk -1: expected"),
        ({"label_smoothing": 2.0}, "--label-smoothing 2.0: expected"),
        ({"teacher_path": None}, "--teacher-path: required with --criterion word_kd"),
    ],
)
def test_mistakes_in_the_options_are_named(
    options: Dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=message):
        criterion(monkeypatch, [], **options)


def test_mistakes_about_the_student_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="--sample-encoder-depths 1: expected a student of many depths"):
        criterion(monkeypatch, [], sample_encoder_depths=1).check_model(tiny.plain_model())
    with pytest.raises(ValueError, match="--criterion word_kd: expected an encoder-decoder, given Linear"):
        criterion(monkeypatch, []).check_model(torch.nn.Linear(1, 1))
    short = tiny.plain_model(max_source_positions=32)
    with pytest.raises(ValueError, match="--max-source-positions 64: the teacher takes at most 32"):
        criterion(monkeypatch, [short]).check_model(tiny.plain_model())
