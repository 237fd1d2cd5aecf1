"""``--ignore-prefix-size`` and ``--report-accuracy`` against fairseq's criterion on truncated stock models."""

from typing import Any, Dict, List

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.logging import metrics

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.pkd import PKDConfig, PKDCriterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from tests import tiny

PAD, EPSILON = 1, 0.1
WEIGHTS = dict(zip([(n, m) for n in (1, 2, 3) for m in (1, 2)], (weight / 21 for weight in range(1, 7))))


def config(**more: Any) -> Dict[str, Any]:
    return {"label_smoothing": EPSILON, "sentence_avg": False, "seed": 1, "report_accuracy": True, **more}


def fairseqs(prefix: int) -> LabelSmoothedCrossEntropyCriterion:
    return LabelSmoothedCrossEntropyCriterion(tiny.task(), False, EPSILON, prefix, report_accuracy=True)


def partly_right(batch: Dict[str, Any]) -> Dict[str, Any]:
    """*batch* with target words that (1, 1) and (3, 2) of the tiny model predict in turn: the accuracies differ."""
    model, target = tiny.flexible_model().eval(), batch["target"].clone()
    for pair, places in (((1, 1), slice(0, None, 2)), ((3, 2), slice(1, None, 2))):
        model.set_depth(*pair)
        words = model(**batch["net_input"])[0].argmax(dim=-1)
        target[:, places] = torch.where(target.eq(PAD), target, words.clamp(min=2))[:, places]
    return {**batch, "target": target}


BATCHES = [partly_right(batch) for batch in (tiny.sample([6, 4, 2], [3, 7, 1]), tiny.sample([5], [9], seed=4))]


def logged_values(criterion: Any, outputs: List[Dict[str, Any]]) -> Dict[str, float]:
    with metrics.aggregate(new_root=True) as logged:
        for output in outputs:
            criterion.reduce_metrics([output])
    return logged.get_smoothed_values()


@pytest.mark.parametrize("accumulate", [False, True], ids=["stacked", "accumulated"])
@pytest.mark.parametrize("prefix", [0, 1, 2, 99])
def test_values_and_gradients_are_fairseqs(prefix: int, accumulate: bool) -> None:
    """99 is longer than every sentence: the loss is 0, and so are all gradients."""
    model = tiny.flexible_model()
    options = config(depth_weights="1,2;3,4;5,6", ignore_prefix_size=prefix, accumulate_depths=accumulate)
    tested = TiedMultiCrossEntropyCriterion(tiny.task(), TiedMultiCrossEntropyConfig(**options))
    stock_criterion = fairseqs(prefix)
    outputs: Dict[Any, List[Dict[str, Any]]] = {pair: [] for pair in WEIGHTS}
    ours: List[Dict[str, Any]] = []
    sums = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    model.zero_grad()
    for batch in BATCHES:
        loss, sample_size, trained = tested(model.train(), batch)
        loss.backward()
        expected = 0.0
        for pair, weight in WEIGHTS.items():
            stock = tiny.stock_model(model, *pair)
            stock_loss, stock_size, output = stock_criterion(stock.train(), batch)
            assert sample_size == stock_size
            (weight * stock_loss).backward()
            expected += weight * stock_loss.item()
            outputs[pair].append(output)
            for name, gradient in tiny.gradients(stock).items():
                sums[name] += gradient
        assert loss.item() == pytest.approx(expected, rel=1e-5)
        assert trained["total"].item() == outputs[1, 1][-1]["total"]
        n_correct = sum(weight * outputs[pair][-1]["n_correct"] for pair, weight in WEIGHTS.items())
        assert trained["n_correct"].item() == pytest.approx(n_correct, rel=1e-5)
        with torch.no_grad():
            ours.append(tested(model.eval(), batch)[2])
    tiny.assert_gradients(model, sums)
    values = logged_values(tested, ours)
    of_pairs = {pair: logged_values(stock_criterion, outputs[pair]) for pair in WEIGHTS}
    if prefix == 99:
        assert "accuracy" not in of_pairs[1, 1]  # there is no token; --best-checkpoint-metric must find a value
        assert values["accuracy"] != values["accuracy"]
        return
    assert values["total"] == of_pairs[1, 1]["total"]
    for (n, m), stock_values in of_pairs.items():
        assert values[f"accuracy_e{n}d{m}"] == pytest.approx(stock_values["accuracy"], abs=1e-3)
        assert values[f"nll_e{n}d{m}"] == pytest.approx(stock_values["nll_loss"], abs=1e-3)
    mean = sum(weight * of_pairs[pair]["accuracy"] for pair, weight in WEIGHTS.items())
    assert values["accuracy"] == pytest.approx(mean, abs=2e-3)
    assert len({stock_values["accuracy"] for stock_values in of_pairs.values()}) > 2


def distillation_criterion(kind: str, prefix: int, monkeypatch: pytest.MonkeyPatch, model: Any) -> Any:
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([tiny.plain_model(2)]))
    options = config(teacher_path="teacher.pt", ignore_prefix_size=prefix)
    if kind == "pkd":
        more: Dict[str, Any] = {"no_save_optimizer_state": False, "reset_optimizer": False, "finetune_from_model": None}
        tested: Any = PKDCriterion(tiny.task(), PKDConfig(**options, **more, distill_decoder=True))
    else:
        tested = WordKDCriterion(tiny.task(), WordKDConfig(**options, kd_alpha=0.0 if kind == "alone" else 0.5))
    tested.check_model(model)
    return tested


def without_prefix(batch: Dict[str, Any], prefix: int) -> Dict[str, Any]:
    target = batch["target"].clone()
    target[:, :prefix] = PAD
    return {**batch, "target": target}


@pytest.mark.parametrize("build", [tiny.plain_model, tiny.flexible_model], ids=["one depth", "many depths"])
@pytest.mark.parametrize("kind", ["alone", "word_kd", "pkd"])
def test_distillation_scores_the_same_tokens(kind: str, build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefix counts as padding does in every loss, though not in the sample size."""
    batch, results = BATCHES[0], []
    for prefix, given in ((2, batch), (0, without_prefix(batch, 2))):
        model = build()
        tested = distillation_criterion(kind, prefix, monkeypatch, model)
        loss, sample_size, logged = tested(model.train(), given)
        assert sample_size == batch["ntokens"]
        loss.backward()
        assert logged["total"].item() == 6
        results.append((loss.item(), tiny.gradients(model), logged))
    (loss, gradients, logged), (expected, others, _) = results
    assert loss == expected
    assert all(torch.equal(gradients[name], other) for name, other in others.items())
    if build is tiny.plain_model:
        stock = fairseqs(2)(build().train(), batch)
        assert logged["n_correct"].item() == stock[2]["n_correct"]
        assert logged["nll_loss"].item() == pytest.approx(stock[2]["nll_loss"].item(), rel=1e-6)
        if kind == "alone":
            assert loss == pytest.approx(stock[0].item(), rel=1e-6)


def test_weighted_sentences_count_with_their_weights() -> None:
    batch = {**BATCHES[0], "sentence_weights": torch.tensor([2.0, 0.0, 1.0])}
    tested = TiedMultiCrossEntropyCriterion(tiny.task(), TiedMultiCrossEntropyConfig(**config()))
    rows = torch.tensor([0, 0, 2])
    inputs = {name: value[rows] for name, value in batch["net_input"].items()}
    repeated = {**BATCHES[0], "target": batch["target"][rows], "net_input": inputs}
    model = tiny.flexible_model().eval()
    weighted, plain = tested(model, batch)[2], tested(model, repeated)[2]
    for name in ("total", "n_correct", "n_correct_e1d1", "n_correct_e3d2"):
        assert weighted[name].item() == pytest.approx(plain[name].item(), rel=1e-6)


def test_a_negative_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="^--ignore-prefix-size -1: expected 0 or more$"):
        TiedMultiCrossEntropyCriterion(tiny.task(), TiedMultiCrossEntropyConfig(**config(ignore_prefix_size=-1)))
