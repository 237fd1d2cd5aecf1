"""The objectives of depth selectors equal what the paper prints, and what they log is exact."""

import math
from typing import Any, Dict, List

import numpy
import pytest
import torch
from fairseq.logging import metrics

from fairseq_flexdepth.criterions.cost_aware_depth_selection import (
    CostAwareDepthSelectionConfig,
    CostAwareDepthSelectionCriterion,
)
from fairseq_flexdepth.criterions.depth_selection import PaperDepthSelectionConfig, PaperDepthSelectionCriterion
from fairseq_flexdepth.files.depth_labels import DepthLabels
from tests import tiny
from tests.labels import PAIRS, SECONDS

NONE = float("nan")
SCORES = [  # (1, 2) is never among the best; rows 2 and 4 are ties
    [60.0, 10.0, 20.0, 30.0],
    [20.0, 10.0, 50.0, 50.0],
    [1.0, 2.0, 3.0, 40.0],
    [70.0, 3.0, 70.0, 70.0],
    [10.0, 20.0, 25.0, 5.0],
    [NONE] * 4,
]
ALWAYS = [[10.0, 20.0, 10.0, 20.0 + row] for row in range(3)]  # (2, 2) is always among the best


class Task:
    """The part of the selection task that a criterion needs."""

    target_dictionary = None

    def __init__(self, scores: List[List[float]]) -> None:
        self.labels = DepthLabels(PAIRS, numpy.array(scores), SECONDS)


class Fixed:
    """A model whose logits are given."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return self.logits[rows]


def paper(scores: List[List[float]] = SCORES, **options: Any) -> PaperDepthSelectionCriterion:
    named = {f"selector_{name}": value for name, value in options.items()}
    return PaperDepthSelectionCriterion.build_criterion(PaperDepthSelectionConfig(**named), Task(scores))


def cost_aware(c: float, entropy: float = 1.0) -> CostAwareDepthSelectionCriterion:
    cfg = CostAwareDepthSelectionConfig(selector_time_cost=c, selector_entropy=entropy)
    return CostAwareDepthSelectionCriterion.build_criterion(cfg, Task(SCORES))


def batch(labels: DepthLabels, rows: List[int]) -> Dict[str, Any]:
    return {
        "net_input": {"rows": torch.tensor(rows)},
        "nsentences": len(rows),
        "ntokens": 3 * len(rows),
        "target": torch.from_numpy(labels.best[rows]).float(),
        "scores": torch.from_numpy(labels.scores[rows]),
    }


def random_logits(rows: int = len(SCORES)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return (2 * torch.randn(rows, 4, generator=generator)).requires_grad_()


def as_printed(
    logits: torch.Tensor, labels: DepthLabels, rows: List[int], alpha: float, beta: float, share: float
) -> torch.Tensor:
    """Eqs. 3 and 4 as the paper prints them, a sentence and a pair at a time, in double precision."""
    labelled = [row for row in range(len(labels)) if labels.labelled[row]]
    classes = range(len(labels.pairs))
    prior = [sum(bool(labels.best[row][k]) for row in labelled) / len(labelled) for k in classes]
    total = torch.zeros((), dtype=torch.float64)
    for row in rows:
        y = [float(labels.best[row][k]) for k in classes]
        outputs = [1 / (1 + torch.exp(-logits[row][k].double())) for k in classes]
        cross_entropy = torch.zeros((), dtype=torch.float64)
        for k in classes:
            delta = math.pow(1 - prior[k], alpha)
            cross_entropy = cross_entropy - (
                delta * y[k] * torch.log(outputs[k]) + (1 - y[k]) * torch.log(1 - outputs[k])
            )
        mu = sum(outputs[k] * y[k] for k in classes)
        precision, recall = mu / sum(outputs), mu / sum(y)
        f_beta = (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
        total = total + share * cross_entropy / len(classes) + (1 - share) * (1 - f_beta)
    return total


@pytest.mark.parametrize("scores", [SCORES, ALWAYS], ids=["one never best", "one always best"])
@pytest.mark.parametrize(
    ("alpha", "beta", "share"),
    [(1.0, 1.0, 0.5), (0.0, 1.0, 1.0), (2.5, 0.5, 0.7), (1.0, 2.0, 0.0), (0.0, 0.3, 0.9)],
)
def test_the_paper_s_loss_is_equations_3_and_4(
    scores: List[List[float]], alpha: float, beta: float, share: float
) -> None:
    criterion = paper(scores, alpha=alpha, beta=beta, **{"lambda": share})
    logits, labels = random_logits(len(scores)), Task(scores).labels
    rows = [row for row in range(len(scores)) if labels.labelled[row]]
    loss, sample_size, _ = criterion(Fixed(logits), batch(labels, rows))
    expected = as_printed(logits, labels, rows, alpha, beta, share)
    assert sample_size == len(rows)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradient, = torch.autograd.grad(loss, logits)
    expected_gradient, = torch.autograd.grad(expected, logits)
    assert torch.allclose(gradient, expected_gradient, atol=1e-6)
    assert gradient.abs().max() > 1e-3


def test_the_paper_s_loss_is_finite_where_outputs_vanish() -> None:
    logits = torch.full((6, 4), -200.0, requires_grad=True)  # ŷ, P and R are 0 in fp32
    loss, _, _ = paper()(Fixed(logits), batch(Task(SCORES).labels, [0, 1]))
    assert torch.isfinite(torch.autograd.grad(loss, logits)[0]).all()
    assert torch.isfinite(loss)


def test_a_class_weight_is_that_of_its_share_among_the_labelled() -> None:
    assert paper(alpha=2.0).class_weights.tolist() == pytest.approx([0.6**2, 1.0, 0.4**2, 0.4**2])
    assert paper(ALWAYS, alpha=1.0).class_weights.tolist()[3] == 0
    assert paper(ALWAYS, alpha=0.0).class_weights.tolist() == [1.0] * 4


@pytest.mark.parametrize("entropy", [0.0, 2.5])
@pytest.mark.parametrize("c", [0.0, 1.0, 37.5])
def test_the_cost_aware_loss_is_the_expected_regret_less_the_entropy(c: float, entropy: float) -> None:
    logits, labels, rows = random_logits(), Task(SCORES).labels, [0, 1, 3, 4]
    loss, sample_size, _ = cost_aware(c, entropy)(Fixed(logits), batch(labels, rows))
    expected = torch.zeros((), dtype=torch.float64)
    for row in rows:
        utilities = [labels.scores[row][k] - c * SECONDS[k] / SECONDS[3] for k in range(4)]
        exponentials = [torch.exp(logits[row][k].double()) for k in range(4)]
        outputs = [exponential / sum(exponentials) for exponential in exponentials]
        expected = expected - sum(outputs[k] * utilities[k] for k in range(4)) + max(utilities)
        expected = expected + entropy * sum(output * torch.log(output) for output in outputs)
    assert sample_size == 4
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradient, = torch.autograd.grad(loss, logits)
    expected_gradient, = torch.autograd.grad(expected, logits)
    assert torch.allclose(gradient, expected_gradient, atol=1e-5)


def test_the_cost_aware_loss_is_0_for_the_best_choice_and_pays_for_time() -> None:
    sure = torch.full((6, 4), -1e4)
    sure[1, 2] = 0  # of two equal scores the faster
    sample = batch(Task(SCORES).labels, [1])
    assert cost_aware(4.0)(Fixed(sure), sample)[0].item() == 0
    sure[1, 3] = 1e4
    assert cost_aware(4.0)(Fixed(sure), sample)[0].item() == pytest.approx(4 * (1 - 1.5 / 4))


def test_the_best_outputs_are_in_proportion_to_the_exponentials_of_utilities() -> None:
    sample, entropy = batch(Task(SCORES).labels, [1]), 20.0
    utilities = sample["scores"] - 4.0 * torch.tensor([second / SECONDS[3] for second in SECONDS])
    for shift in (0.0, 3.0):
        logits = (utilities / entropy + shift).float().repeat(6, 1).requires_grad_()
        loss = cost_aware(4.0, entropy)(Fixed(logits), sample)[0]
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.abs().max() < 1e-5


def test_half_precision_logits_are_computed_in_full() -> None:
    logits, sample = random_logits().detach(), batch(Task(SCORES).labels, [0, 1, 2])
    for criterion in (paper(), cost_aware(1.0)):
        half, _, _ = criterion(Fixed(logits.half()), sample)
        full, _, _ = criterion(Fixed(logits.half().float()), sample)
        assert half.dtype == torch.float32
        assert half.item() == full.item()


def reduced(criterion: Any, logging_outputs: List[Dict[str, Any]], at_once: bool = True) -> Dict[str, float]:
    """What fairseq shows of the outputs, reduced together or one after another."""
    with metrics.aggregate(new_root=True) as shown:
        for outputs in [logging_outputs] if at_once else [[output] for output in logging_outputs]:
            type(criterion).reduce_metrics(outputs)
    return dict(shown.get_smoothed_values())


def test_what_is_logged_of_the_paper_s_selector() -> None:
    logits = torch.tensor([[3.0, -1.0, 2.0, -1.0], [-1.0, -2.0, -1.0, -1.0], [-1.0, 0.5, -1.0, 0.4]])
    criterion = paper(beta=2.0, threshold=0.5)
    shown = reduced(criterion, [criterion(Fixed(logits), batch(Task(SCORES).labels, [0, 1, 2]))[2]])
    assert set(shown) == set(criterion.metric_names(None))
    # predicted: (1, 1) and (2, 1); nothing, so that (2, 2) is chosen; (1, 2) and (2, 2)
    assert shown["precision"] == pytest.approx(2 / 4)
    assert shown["recall"] == pytest.approx(2 / 4)
    assert shown["f_beta"] == pytest.approx(0.5)
    assert shown["quality"] == pytest.approx((60 + 50 + 2) / 3, abs=1e-4)
    assert shown["quality_deepest"] == pytest.approx((30 + 50 + 40) / 3, abs=1e-4)
    assert shown["quality_oracle"] == pytest.approx((60 + 50 + 40) / 3, abs=1e-4)
    assert shown["cost"] == pytest.approx((1 / 4 + 1 + 2 / 4) / 3, abs=1e-4)
    assert shown["cost_oracle"] == pytest.approx((1 / 4 + 1.5 / 4 + 1) / 3, abs=1e-4)
    assert "true_positives" not in shown


def test_the_oracle_counts_decoder_layers_first() -> None:
    scores = [[10.0, 50.0, 50.0, 20.0]]  # (1, 2) and (2, 1): the latter is faster by Eq. 1
    criterion = paper(scores)
    shown = reduced(criterion, [criterion(Fixed(random_logits(1)), batch(Task(scores).labels, [0]))[2]])
    assert (shown["cost_oracle"], shown["quality_oracle"]) == (1.5 / 4, 50)


def test_f_beta_is_that_of_precision_and_recall() -> None:
    criterion = paper(beta=2.0, threshold=0.3)
    shown = reduced(criterion, [criterion(Fixed(random_logits()), batch(Task(SCORES).labels, [0, 1, 2, 3, 4]))[2]])
    precision, recall = shown["precision"], shown["recall"]
    assert precision != recall
    assert shown["f_beta"] == pytest.approx(5 * precision * recall / (4 * precision + recall), abs=1e-3)


def test_of_a_cost_aware_selector_the_chosen_pair_counts_as_predicted() -> None:
    logits = torch.tensor([[3.0, -1.0, 2.0, -1.0], [-1.0, 2.0, -1.0, -1.0]])
    criterion = cost_aware(1.0)
    shown = reduced(criterion, [criterion(Fixed(logits), batch(Task(SCORES).labels, [0, 1]))[2]])
    assert shown["precision"] == pytest.approx(1 / 2)
    assert shown["recall"] == pytest.approx(1 / 3, abs=1e-4)


def test_nothing_predicted_is_a_precision_of_0() -> None:
    logits, criterion = torch.full((6, 4), -5.0), paper()
    shown = reduced(criterion, [criterion(Fixed(logits), batch(Task(SCORES).labels, [0, 1]))[2]])
    assert (shown["precision"], shown["recall"], shown["f_beta"], shown["cost"]) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("criterion", [paper(threshold=0.4), cost_aware(3.0)], ids=["paper", "cost-aware"])
def test_what_parts_log_adds_up(criterion: Any, at_once: bool) -> None:
    labels, model = Task(SCORES).labels, Fixed(random_logits())
    whole = criterion(model, batch(labels, [0, 1, 2, 3, 4]))[2]
    parts = [criterion(model, batch(labels, rows))[2] for rows in ([3], [0, 1, 2, 4])]
    expected, added = reduced(criterion, [whole]), reduced(criterion, parts, at_once)
    assert expected.keys() == added.keys() >= {"loss", "quality", "cost", "precision"}
    for key in expected:
        assert added[key] == pytest.approx(expected[key], abs=2e-4), key
    assert criterion.logging_outputs_can_be_summed()


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("alpha", -0.1, "a number of at least 0"),
        ("alpha", float("inf"), "a number of at least 0"),
        ("beta", 0.0, "a number above 0"),
        ("beta", float("inf"), "a number above 0"),
        ("lambda", 1.5, "a number from 0 to 1"),
        ("threshold", float("nan"), "a number from 0 to 1"),
    ],
)
def test_options_out_of_range_are_refused(option: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^--selector-{option} {value}: expected {expected}$"):
        paper(**{option: value})


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_a_price_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=rf"^--selector-time-cost {value}: expected a number of at least 0$"):
        cost_aware(value)
    with pytest.raises(ValueError, match=rf"^--selector-entropy {value}: expected a number of at least 0$"):
        cost_aware(1.0, value)


def test_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^--criterion depth_selection: expected --task depth_selection, given Simp"):
        PaperDepthSelectionCriterion(tiny.task(), PaperDepthSelectionConfig())
